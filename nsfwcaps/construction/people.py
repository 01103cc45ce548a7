"""Insertions at a person: on the body, in a hand, or carried by several people."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nsfwcaps.construction.english import (
    BUSY,
    HERS,
    HIS,
    THEIRS,
    WORDS,
)
from nsfwcaps.construction.hazard import Placement
from nsfwcaps.construction.insertion import Insertion
from nsfwcaps.construction.patterns import (
    HOLDS,
    ONE,
    SEATED,
    SEVERAL,
)


def worn(text: str) -> Iterator[Insertion]:
    """`A man is riding a bike` → `A man with X on his back is riding a bike`."""
    for their, pattern in ONE.items():
        if found := pattern.match(text):
            yield from _on_body(found, their, (Placement.WORN, Placement.SLUNG))
            return
    for their, pattern in SEATED.items():
        if found := pattern.match(text):
            yield from _on_body(found, their, (Placement.WORN,))
            return


def _on_body(
    found: re.Match[str], their: str, places: tuple[Placement, ...]
) -> Iterator[Insertion]:
    for place in places:
        yield Insertion(
            template="a person with",
            at=found.end(),
            before=" with ",
            after="",
            place=place,
            their=their,
        )
    if not BUSY.search(found["rest"]):
        yield Insertion(
            template="in a hand",
            at=found.end(),
            before=" with ",
            after=f" in {their} hand",
            place=Placement.HAND,
            their=their,
        )


def several(text: str) -> Iterator[Insertion]:
    """`Two men walking home` → `Two men with X walking home`."""
    if found := SEVERAL.match(text):
        yield Insertion(
            template="several people with",
            at=found.end(),
            before=" with ",
            after="",
            place=Placement.GROUP,
        )


def holding(text: str) -> Iterator[Insertion]:
    """`A man holding a cup` → `A man holding a cup in one hand and X in the other`."""
    one = re.match(rf"(?:an?|the|one) {WORDS}(?:{HIS}|{HERS}|{THEIRS}) ", text)
    if one and (found := HOLDS.search(text)) and " hand" not in text and " and " not in text:
        yield Insertion(
            template="in the other hand",
            at=found.end(),
            before=" in one hand and ",
            after=" in the other",
            place=Placement.HAND,
        )
