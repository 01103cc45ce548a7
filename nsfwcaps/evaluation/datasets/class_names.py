"""What the classes of a set are called, and which class each label is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nsfwcaps.errors import InputError

Label = int | str
"""A label as a set gives it: a number from 0, or a name."""


@dataclass(frozen=True, kw_only=True)
class Classes:
    """Names of the classes, and the number of each label's class."""

    names: Sequence[str]
    number_of: Mapping[Label, int]


def read_classes(path: Path) -> list[str] | dict[str, str]:
    """Names from a file: one a line, a JSON list, or a JSON mapping of label to name.

    Raises:
        InputError: the file cannot be read, is empty, or has an empty name.
    """
    names = _parsed(path)
    values = list(names.values()) if isinstance(names, dict) else names
    if not values:
        raise InputError(f"{path}: names no class; write one a line, or a JSON list or mapping")
    for number, name in enumerate(values, 1):
        if not isinstance(name, str) or not name.strip():
            raise InputError(f"{path}: class {number} has no name; each class needs one")
    return names


def classes_of(
    labels: Sequence[Label],
    given: Sequence[str] | Mapping[str, str] | None,
    *,
    where: str,
    source: str,
) -> Classes:
    """Match the distinct labels of a set with names; names without a label are classes too.

    Numbers are places in a list. Other labels are the names in it themselves, or else its names
    are those of the labels in alphabetical order. Without names labels are their own.

    Args:
        labels: distinct, in order.
        given: names as `read_classes` gives them, or those that a set came with.
        where: the data set, for messages.
        source: where the names are from, for messages.

    Raises:
        InputError: names and labels do not fit; the message gives the counts.
    """
    if isinstance(given, Mapping):
        return _mapped(labels, given, where, source)
    numbers = [label for label in labels if isinstance(label, int)]
    if numbers:
        return _numbered(numbers, given, where, source)
    if given is None:
        names = [str(label).replace("_", " ").strip() for label in labels]
        return Classes(names=names, number_of={label: i for i, label in enumerate(labels)})
    if set(labels) <= set(given):
        return Classes(names=given, number_of={label: given.index(str(label)) for label in labels})
    if len(labels) != len(given):
        raise InputError(
            f"{source} names {len(given)} classes, and {where} has {len(labels)} labels; they must "
            "be as many, or the file a JSON mapping of each label to a name"
        )
    return Classes(names=given, number_of={label: i for i, label in enumerate(labels)})


def _mapped(labels: Sequence[Label], given: Mapping[str, str], where: str, source: str) -> Classes:
    number_of = {name: i for i, name in enumerate(given)}
    lacking = [str(label) for label in labels if str(label) not in number_of]
    if lacking:
        raise InputError(
            f"{source} names {len(given)} classes, and {len(lacking)} of the {len(labels)} labels "
            f"of {where} are not among them"
        )
    return Classes(
        names=list(given.values()), number_of={label: number_of[str(label)] for label in labels}
    )


def _numbered(
    numbers: Sequence[int], given: Sequence[str] | None, where: str, source: str
) -> Classes:
    if given is None:
        raise InputError(
            f"{where}: its labels are numbers; name the classes, one a line, with --classes FILE"
        )
    if max(numbers) >= len(given):
        raise InputError(
            f"{source} names {len(given)} classes, and the labels of {where} go up to "
            f"{max(numbers)}, which is class {max(numbers) + 1}"
        )
    return Classes(names=given, number_of={number: number for number in numbers})


def _parsed(path: Path) -> list[str] | dict[str, str]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError):
        raise InputError(f"{path}: cannot be read as text") from None
    if not text.lstrip().startswith(("[", "{")):
        return [line.strip() for line in text.rstrip().splitlines()]
    try:
        value: list[str] | dict[str, str] = json.loads(text)
    except ValueError:
        raise InputError(f"{path}: begins as JSON and is none") from None
    return value
