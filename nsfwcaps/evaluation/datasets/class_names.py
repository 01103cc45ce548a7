"""Class names of a set, and the class of each label."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from nsfwcaps.errors import InputError

Label = int | str
"""A label as stored in a set: a number from 0, or a name."""


@dataclass(frozen=True, kw_only=True)
class Classes:
    """Class names, and the class number of each label."""

    names: Sequence[str]
    number_of: Mapping[Label, int]


def read_classes(path: Path) -> list[str] | dict[str, str]:
    """Read class names from a file: one per line, a JSON list, or a JSON mapping label -> name.

    Raises:
        InputError: the file cannot be read, is empty, or has an empty name.
    """
    names = _parse(path)
    values = list(names.values()) if isinstance(names, dict) else names
    if not values:
        raise InputError(f"{path}: no class names; write one per line, or a JSON list or mapping")
    for number, name in enumerate(values, 1):
        if not isinstance(name, str) or not name.strip():
            raise InputError(f"{path}: class {number} has an empty name; give it one")
    return names


def classes_of(
    labels: Sequence[Label],
    given: Sequence[str] | Mapping[str, str] | None,
    *,
    where: str,
    source: str,
) -> Classes:
    """Match the distinct labels of a set with class names; a name without a label is a class too.

    Number labels index the list. Other labels either appear in the list themselves, or match it in
    alphabetical order. Without names the labels name themselves.

    Args:
        labels: distinct, sorted.
        given: names from `read_classes`, or those that came with the set.
        where: the data set, for messages.
        source: origin of the names, for messages.

    Raises:
        InputError: names and labels do not match; the message gives the counts.
    """
    if isinstance(given, Mapping):
        return _classes_of_mapping(labels, given, where, source)
    numbers = [label for label in labels if isinstance(label, int)]
    if numbers:
        return _classes_of_numbers(numbers, given, where, source)
    if given is None:
        names = [str(label).replace("_", " ").strip() for label in labels]
        return Classes(names=names, number_of={label: i for i, label in enumerate(labels)})
    if set(labels) <= set(given):
        return Classes(names=given, number_of={label: given.index(str(label)) for label in labels})
    if len(labels) != len(given):
        raise InputError(
            f"{source} names {len(given)} classes but {where} has {len(labels)} labels; give one "
            "name per label, or a JSON mapping of labels to names"
        )
    return Classes(names=given, number_of={label: i for i, label in enumerate(labels)})


def _classes_of_mapping(
    labels: Sequence[Label], given: Mapping[str, str], where: str, source: str
) -> Classes:
    number_of = {name: i for i, name in enumerate(given)}
    lacking = [str(label) for label in labels if str(label) not in number_of]
    if lacking:
        raise InputError(
            f"{source} names {len(given)} classes but lacks {len(lacking)} of the {len(labels)} "
            f"labels of {where}; add them"
        )
    return Classes(
        names=list(given.values()), number_of={label: number_of[str(label)] for label in labels}
    )


def _classes_of_numbers(
    numbers: Sequence[int], given: Sequence[str] | None, where: str, source: str
) -> Classes:
    if given is None:
        raise InputError(
            f"{where}: labels are numbers; give the class names, one per line, with --classes FILE"
        )
    if max(numbers) >= len(given):
        raise InputError(
            f"{source} names {len(given)} classes but the labels of {where} go up to "
            f"{max(numbers)}; expected at least {max(numbers) + 1} names"
        )
    return Classes(names=given, number_of={number: number for number in numbers})


def _parse(path: Path) -> list[str] | dict[str, str]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError):
        raise InputError(f"{path}: cannot be read as UTF-8 text") from None
    if not text.lstrip().startswith(("[", "{")):
        return [line.strip() for line in text.rstrip().splitlines()]
    try:
        value: list[str] | dict[str, str] = json.loads(text)
    except ValueError:
        raise InputError(f"{path}: looks like JSON but does not parse") from None
    return value
