"""Faults in the set of files of one pool: both sides, a file twice, a shard that is missing."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence

from nsfwcaps.captions.folders.split_names import side_of
from nsfwcaps.captions.readers import COMPRESSED
from nsfwcaps.errors import InputError

_SHARD = re.compile(r"(?P<before>.*?)(?P<number>\d{5})-of-(?P<count>\d{5})(?P<after>\D.*|)")


def check_set(
    names: Sequence[str], where: str, expected: Callable[[str], bool] = lambda _: True
) -> None:
    """Check the files of a pool by their names; `expected` tells whether a missing one counts.

    Raises:
        InputError: they are of both sides, one is there twice, or a shard is missing.
    """
    _check_sides(names, where)
    _check_copies(names, where)
    _check_shards(names, where, expected)


def _check_sides(names: Sequence[str], where: str) -> None:
    first: dict[str, str] = {}
    for name in names:
        if (side := side_of(name)) is not None:
            first.setdefault(side, name)
    if len(first) == 2:
        raise InputError(
            f"{where}: files of both sides: '{first['safe']}' and '{first['unsafe']}'; name the "
            "files of one side"
        )


def _check_copies(names: Iterable[str], where: str) -> None:
    seen: dict[str, str] = {}
    for name in names:
        plain = name.lower()
        for ending in COMPRESSED:
            plain = plain.removesuffix(ending)
        plain = f"{plain.removesuffix('.tgz')}.tar" if plain.endswith(".tgz") else plain
        other = seen.setdefault(plain, name)
        if other != name and {name.lower(), other.lower()} != {plain}:
            raise InputError(
                f"{where}: '{other}' and '{name}' are one file, packed and plain, and would be "
                "read twice; name one of them, or move one away"
            )


def _check_shards(names: Iterable[str], where: str, expected: Callable[[str], bool]) -> None:
    found: defaultdict[tuple[str, str, str], set[int]] = defaultdict(set)
    for name in names:
        if shard := _SHARD.fullmatch(name):
            key = (shard["before"], shard["count"], shard["after"])
            found[key].add(int(shard["number"]))
    for (before, count, after), numbers in found.items():
        start = 1 if int(count) in numbers else 0
        for number in range(start, start + int(count)):
            name = f"{before}{number:05d}-of-{count}{after}"
            if number not in numbers and expected(name):
                raise InputError(
                    f"{where}: '{name}' is missing, shard {number:05d} of {count}; download it, "
                    f"or name the files that are there{_example(before, numbers, count, after)}"
                )


def _example(before: str, numbers: Collection[int], count: str, after: str) -> str:
    if max(numbers) > 9:
        return " one by one"
    digits = "".join(map(str, sorted(numbers)))
    return f", as in '{before}0000[{digits}]-of-{count}{after}'"
