"""A small grammar that inserts an element into an English caption.

A template is a pattern that finds a place, and the text to insert there; the caption's own words
never change. Patterns are deliberately narrow: refusing a caption costs little, whereas a wrong
place would give an unnatural sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from nsfwcaps.construction.english import (
    ADULT,
    ADULTS,
    AFTER_NOUN,
    CRAFT,
    DET,
    END,
    FURNITURE,
    GROUND,
    INDOORS,
    MINORS,
    MOVES,
    NATURE,
    NUMBER,
    ODD,
    ROOM,
    STANDS,
    STREET,
    SURFACE,
    TABLE,
    THINGS,
    VERB,
    WHERE,
    WORDS,
)
from nsfwcaps.construction.lexicon import Element, Placement


@dataclass(frozen=True, kw_only=True)
class Insertion:
    """A place in a caption, and the text to insert around an element."""

    template: str
    at: int
    before: str
    after: str
    place: Placement
    plural: bool = False
    """Whether several people each hold one."""

    def phrase(self, element: Element) -> str | None:
        """Return the element in the right number, or None if it does not fit this place."""
        if self.place not in element.places:
            return None
        return element.plural if self.plural else element.phrase

    def apply(self, caption: str, phrase: str) -> str:
        """Insert the phrase into the caption, in capitals if the caption is."""
        added = f"{self.before}{phrase}{self.after}"
        if caption.isupper():
            added = added.upper()
        return caption[: self.at] + added + caption[self.at :]


def insertions(caption: str) -> list[Insertion]:
    """List all insertions that the grammar finds in a caption, in a fixed order.

    >>> [found.template for found in insertions("A cat sleeps on a bed in a room.")]
    ['next to, on a surface', 'on the floor']
    """
    text = caption.lower()
    # A few characters change length in lower case, which would shift the places.
    if len(text) != len(caption) or ODD.search(text) or MINORS.search(text):
        return []
    return [found for find in _FINDERS for found in find(text)]


def mentions_minors(caption: str) -> bool:
    """Tell whether a caption is about children or families, which the grammar leaves alone."""
    return MINORS.search(caption.lower()) is not None


_BESIDE = re.compile(r"\b(?:next to|beside|near|alongside)\b")
_ON_SURFACE = rf"(?:on top of|on|atop) {DET} {WORDS}(?:{SURFACE}|(?P<ground>{GROUND})){AFTER_NOUN}"
_STANDS_ON = re.compile(rf"\b(?:{STANDS}|{THINGS})(?: (?:up|down|together))? (?={_ON_SURFACE})")
_THING_ON = re.compile(
    rf"(?:{DET}|{NUMBER}) {WORDS}{THINGS}(?: of {WORDS}{THINGS})? "
    rf"(?=(?:(?:sitting|placed|resting|laying|lying|laid|set|displayed) )?{_ON_SURFACE})"
)
# Words that look like the first item of a list but are not.
_NO_LIST = r"(?!(?:no|all|its|lots|only|just|been|to|an open|the)\b)"
_ROOM_WITH = re.compile(
    rf"(?:there is )?(?:an?|the|this) {WORDS}{ROOM} (?:with|that has|has) {_NO_LIST}"
)
_TABLE_WITH = re.compile(
    rf"(?:there is )?(?:an?|the|this) {WORDS}{TABLE} (?:with|topped with|that has|has) {_NO_LIST}"
)
_AT_TABLE = re.compile(rf"\b(?:at|around|behind) {DET} {WORDS}{TABLE}{END}")
_IN_ROOM = re.compile(rf"\b(?:in|inside) {DET} {WORDS}{ROOM}{END}")
_NEXT_TO = re.compile(
    rf"\b(?:next to|beside|topped with) (?:{DET}|{NUMBER}) {WORDS}(?:{THINGS}|{FURNITURE}){END}"
)
_ONE_ADULT = re.compile(rf"(?:an?|the|one|another) {WORDS}{ADULT}(?= {VERB}\b)")
_ADULTS = re.compile(
    rf"(?:{NUMBER}|(?:a )?(?:large |small )?(?:group|couple|pair|bunch|crowd) of) {WORDS}{ADULTS}"
    rf"(?= {VERB}\b)"
)
_HOLDS = re.compile(
    r"\b(?:holding|carrying|holds|carries) "
    r"(?=(?:an?|his|her|two|some) (?!hand|piece|slice|bite|baby))"
)
_PARKED = re.compile(
    r"\bparked "
    r"(?=(?:on|in|at|by|outside|under|along|behind|inside|underneath) (?!(?:a )?(?:line|row)\b))"
)
_OUTDOORS = {
    place: re.compile(rf"\b{WHERE} {DET} {WORDS}{noun}{END}")
    for place, noun in ((Placement.STREET, STREET), (Placement.NATURE, NATURE))
}


def _next_to(text: str) -> Iterator[Insertion]:
    """`sits on a table` → `sits next to X on a table`."""
    for found in _STANDS_ON.finditer(text):
        if not _BESIDE.search(text[: found.end()]):
            yield Insertion(
                template="next to, on a surface",
                at=found.end(),
                before="next to ",
                after=" ",
                place=Placement.FLOOR if found["ground"] else Placement.SURFACE,
            )


def _and(text: str) -> Iterator[Insertion]:
    """`A laptop on a desk` → `A laptop and X on a desk`."""
    if found := _THING_ON.match(text):
        yield Insertion(
            template="and, on a surface",
            at=found.end(),
            before="and ",
            after=" ",
            place=Placement.FLOOR if found["ground"] else Placement.SURFACE,
        )


def _at_table(text: str) -> Iterator[Insertion]:
    """`people sit at a table` → `people sit at a table with X on it`."""
    if found := _AT_TABLE.search(text):
        yield Insertion(
            template="on the table",
            at=found.end(),
            before=" with ",
            after=" on it",
            place=Placement.SURFACE,
        )


def _in_room(text: str) -> Iterator[Insertion]:
    """`a cat in a kitchen` → `a cat in a kitchen with X on the floor`."""
    found = _IN_ROOM.search(text)
    if found and "floor" not in text:
        yield Insertion(
            template="on the floor",
            at=found.end(),
            before=" with ",
            after=" on the floor",
            place=Placement.FLOOR,
        )


def _room_with(text: str) -> Iterator[Insertion]:
    """`A bathroom with a sink` → `A bathroom with X on the floor and a sink`."""
    found = _ROOM_WITH.match(text)
    if found and "floor" not in text:
        yield Insertion(
            template="first in a room's list",
            at=found.end(),
            before="",
            after=f" on the floor{_joint(text[found.end() :])}",
            place=Placement.FLOOR,
        )


def _table_with(text: str) -> Iterator[Insertion]:
    """`A desk with a laptop on it` → `A desk with X and a laptop on it`."""
    if found := _TABLE_WITH.match(text):
        yield Insertion(
            template="first in a table's list",
            at=found.end(),
            before="",
            after=_joint(text[found.end() :]),
            place=Placement.SURFACE,
        )


def _joint(items: str) -> str:
    """Return the separator between a new first item and the rest of a list."""
    return ", " if " and " in items or ", " in items else " and "


def _list_end(text: str) -> Iterator[Insertion]:
    """`a toilet next to a sink` → `a toilet next to a sink and X`."""
    if found := _NEXT_TO.search(text):
        yield Insertion(
            template="and, at the end",
            at=found.end(),
            before=" and ",
            after="",
            place=Placement.SURFACE,
        )


def _adult_with(text: str) -> Iterator[Insertion]:
    """`A man is riding a bike` → `A man with X is riding a bike`."""
    for pattern in (_ONE_ADULT, _ADULTS):
        if found := pattern.match(text):
            yield Insertion(
                template="a person with",
                at=found.end(),
                before=" with ",
                after="",
                place=Placement.HELD,
                plural=pattern is _ADULTS,
            )


def _holding(text: str) -> Iterator[Insertion]:
    """`A woman holding a phone` → `A woman holding X and a phone`."""
    if (found := _HOLDS.search(text)) and _ONE_ADULT.match(text):
        yield Insertion(
            template="holding", at=found.end(), before="", after=" and ", place=Placement.HELD
        )


def _parked(text: str) -> Iterator[Insertion]:
    """`a bus parked on a street` → `a bus parked next to X on a street`."""
    found = _PARKED.search(text)
    if found and not CRAFT.search(text) and not _BESIDE.search(text[: found.end()]):
        yield Insertion(
            template="parked", at=found.end(), before="next to ", after=" ", place=Placement.STREET
        )


def _at_the_end(text: str) -> Iterator[Insertion]:
    """`a bus drives down a street` → `a bus drives down a street past X`."""
    if _BESIDE.search(text) or INDOORS.search(text) or CRAFT.search(text):
        return
    word = "past" if MOVES.search(text) and "parked" not in text else "near"
    for place, pattern in _OUTDOORS.items():
        if found := pattern.search(text):
            yield Insertion(
                template=f"{word}, outdoors",
                at=found.end(),
                before=f" {word} ",
                after="",
                place=place,
            )


_FINDERS = (
    *(_next_to, _and, _at_table, _in_room, _room_with, _table_with, _list_end),
    *(_adult_with, _holding, _parked, _at_the_end),
)
