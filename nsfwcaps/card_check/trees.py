"""Differences between two trees of JSON or YAML values, each as a line with its place."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nsfwcaps.card_check.numbers import differ

_IDENTITIES = ("@id", "config_name", "name", "split", "id")
_SHOWN = 80
_TOLERANCE = 1.5e-4
"""Rounding of the fourth digit."""


def _nothing(place: str) -> bool:
    return False


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What may differ, by place, such as `recordSet[pairs].field[pairs/rank].description`."""

    prose: Callable[[str], bool] = _nothing
    """Whether only the numbers of a text count."""
    free: Callable[[str], bool] = _nothing
    """Whether a value may be any."""
    may_add: Callable[[str], bool] = _nothing
    """Whether a key or an item may be there that is not expected."""
    expected: str = "the data say"


def differences(expected: Any, found: Any, rules: Rules, place: str = "") -> Iterator[str]:
    """Yield a line for each difference."""
    if rules.free(place):
        return
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        yield from _of_mappings(expected, found, rules, place)
    elif isinstance(expected, Sequence | tuple) and not isinstance(expected, str):
        yield from _of_lists(expected, found, rules, place)
    elif isinstance(expected, str) and isinstance(found, str) and rules.prose(place):
        if (pair := differ(expected, found)) is not None:
            yield f"{place}: has {pair[1]}; {rules.expected} {pair[0]}"
    elif not _equal(expected, found):
        yield f"{place}: is {_shown(found)}; {rules.expected} {_shown(expected)}"


def _of_mappings(
    expected: Mapping[str, Any], found: Mapping[str, Any], rules: Rules, place: str
) -> Iterator[str]:
    extra = [key for key in found if key not in expected]
    for key, value in expected.items():
        here = f"{place}.{key}" if place else key
        if key in found:
            yield from differences(value, found[key], rules, here)
        elif not rules.free(here):
            near = difflib.get_close_matches(key, extra, 1, 0.8)
            yield f"{here}: is missing" + (f"; is '{near[0]}' meant for it?" if near else "")
    for key in extra:
        here = f"{place}.{key}" if place else key
        if not rules.may_add(here):
            yield f"{here}: is not expected"


def _of_lists(expected: Sequence[Any], found: Any, rules: Rules, place: str) -> Iterator[str]:
    if not isinstance(found, list | tuple):
        yield f"{place}: is {_shown(found)}; {rules.expected} {_shown(expected)}"
        return
    identity = _identity(expected)
    if identity is not None and _identity(found) == identity:
        ours, theirs = ({item[identity]: item for item in items} for items in (expected, found))
        for name, item in ours.items():
            if name not in theirs:
                yield f"{place}[{name}]: is missing"
            else:
                yield from differences(item, theirs[name], rules, f"{place}[{name}]")
        for name in theirs:
            if name not in ours and not rules.may_add(f"{place}[{name}]"):
                yield f"{place}[{name}]: is not expected"
        if len(found) > len(theirs):
            yield f"{place}: has an item twice"
        return
    if len(expected) != len(found):
        yield f"{place}: has {len(found)} items; {rules.expected} {len(expected)}"
        return
    for number, (ours, theirs) in enumerate(zip(expected, found, strict=True)):
        yield from differences(ours, theirs, rules, f"{place}[{number}]")


def _identity(items: Sequence[Any]) -> str | None:
    """Return the key that tells the items of a list apart; None if they have none."""
    if not items or not all(isinstance(item, Mapping) for item in items):
        return None
    return next((key for key in _IDENTITIES if all(key in item for item in items)), None)


def _equal(expected: Any, found: Any) -> bool:
    if isinstance(expected, float) and type(found) in (int, float):
        return math.isclose(expected, found, rel_tol=0, abs_tol=_TOLERANCE)
    return type(expected) is type(found) and bool(expected == found)


def _shown(value: Any) -> str:
    text = " ".join(repr(value).split())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
