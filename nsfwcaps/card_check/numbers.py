"""The numbers of a text, to tell another number from another wording."""

from __future__ import annotations

import itertools
import re

_NUMBER = re.compile(r"(?:(?<!\w)[-−])?\d+(?:,\d{3})*(?:\.\d+)?")
_CODE = re.compile(r"`[^`]*`")


def numbers(text: str) -> list[str]:
    """Return the numbers of a text, without the commas of thousands, and its code spans.

    >>> numbers("1,174 pairs of `minilm-2`, 80.5 %")
    ['1174', '`minilm-2`', '80.5']
    """
    found: list[str] = []
    at = 0
    for span in _CODE.finditer(text):
        found += [*_plain(text[at : span.start()]), span.group()]
        at = span.end()
    return [*found, *_plain(text[at:])]


def differ(expected: str, found: str) -> tuple[str, str] | None:
    """Return the first number that should be there and the one that is; None if all agree.

    In another wording, numbers may have another order.

    >>> differ("5 of 6 pairs", "5 of 7 pairs"), differ("5 of 6 pairs", "6 of 5 pairs")
    (('6', '7'), ('5', '6'))
    >>> differ("5 cats, 6 dogs", "6 dogs and 5 cats") is None
    True
    """
    ours, theirs = numbers(expected), numbers(found)
    if wording(expected) != wording(found):
        ours, theirs = _only(ours, theirs), _only(theirs, ours)
    pairs = itertools.zip_longest(ours, theirs, fillvalue="nothing")
    return next(((one, other) for one, other in pairs if one != other), None)


def wording(text: str) -> str:
    """Return a text without its numbers and code spans."""
    return _NUMBER.sub("#", _CODE.sub("#", text))


def _plain(text: str) -> list[str]:
    return [number.replace(",", "") for number in _NUMBER.findall(text)]


def _only(some: list[str], others: list[str]) -> list[str]:
    """Return the items that the others lack, each as often as it is missing."""
    rest = list(others)
    found = []
    for item in some:
        if item in rest:
            rest.remove(item)
        else:
            found.append(item)
    return found
