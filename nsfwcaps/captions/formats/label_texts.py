"""Texts beside images that hold numbers: labels of boxes, as YOLO has them, and no captions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import islice

from nsfwcaps.captions.folders.members import TEXT_ENDINGS, suffix

_NUMBERS = re.compile(rb"[\d\s.,eE+-]+")
_PROBED = 50
"""Texts of a folder that are looked at, if all so far are numbers or empty."""


def without_labels(
    names: Sequence[str], read: Callable[[str], bytes]
) -> tuple[list[str], dict[str, str]]:
    """Leave out the texts of folders whose texts are numbers only; return a note of them too."""
    texts: dict[tuple[str, str], list[str]] = {}
    for name in names:
        if suffix(name) in TEXT_ENDINGS:
            texts.setdefault((name.rpartition("/")[0], suffix(name)), []).append(name)
    labels = {n for found in texts.values() if _are_numbers(map(read, found)) for n in found}
    kept = [name for name in names if name not in labels]
    return kept, {"texts of numbers, ignored": str(len(labels))} if labels else {}


def _are_numbers(contents: Iterable[bytes]) -> bool:
    filled = False
    for content in islice(contents, _PROBED):
        if content.strip():
            filled = True
            if not (_NUMBERS.fullmatch(content) and re.search(rb"\d", content)):
                return False
    return filled
