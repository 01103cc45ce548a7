"""A small grammar that inserts an element into an English caption.

A template is a pattern that finds a place, and the text to insert there; the caption's own words
never change. Patterns are deliberately narrow: refusing a caption costs little, whereas a wrong
place would give an unnatural sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from nsfwcaps.construction import people
from nsfwcaps.construction.english import (
    CRAFT,
    INDOORS,
    MOVES,
    THINGS,
)
from nsfwcaps.construction.hazard import Placement
from nsfwcaps.construction.insertion import Insertion
from nsfwcaps.construction.patterns import (
    AT_TABLE,
    BESIDE,
    FURNISHED,
    IN_BED,
    IN_NATURE,
    IN_ROOM,
    IN_STREET,
    LARGE_FIRST,
    NEXT_TO,
    OF_A_ROOM,
    PARKED,
    ROOM_WITH,
    SERVED,
    SOMEONE_RESTS,
    TABLE_WITH,
    THINGS_STAND,
)


def insertions(caption: str) -> list[Insertion]:
    """List all insertions that the grammar finds in a caption, in a fixed order.

    >>> [found.template for found in insertions("A cat sleeps on a bed in a room.")]
    ['next to, on a surface', 'on the floor']
    """
    text = caption.lower()
    return [found for find in _FINDERS for found in find(text)]


def _spot(found: re.Match[str]) -> Placement:
    """Return the placement of a matched surface, floor or piece of ground."""
    if found["ground"]:
        return Placement.GROUND
    return Placement.FLOOR if found["floor"] else Placement.SURFACE


def _next_to(text: str) -> Iterator[Insertion]:
    """`A vase sits on a table` → `A vase sits next to X on a table`."""
    for pattern in (THINGS_STAND, SOMEONE_RESTS):
        found = pattern.match(text)
        if not found or BESIDE.search(text[: found.end()]):
            continue
        listed = " and " in text[: found.end()]
        verbless = pattern is THINGS_STAND and re.search(rf"\b{THINGS} $", text[: found.end()])
        yield Insertion(
            template="and, on a surface" if verbless else "next to, on a surface",
            at=found.end(),
            before="and " if verbless and not listed else "next to ",
            after=" ",
            place=_spot(found),
            in_list=bool(verbless),
        )


def _in_bed(text: str) -> Iterator[Insertion]:
    """`A man lies in bed` → `A man lies in bed next to X`."""
    if (found := IN_BED.match(text)) and not BESIDE.search(text):
        yield Insertion(
            template="next to, in bed",
            at=found.end(),
            before=" next to ",
            after="",
            place=Placement.SURFACE,
        )


def _at_table(text: str) -> Iterator[Insertion]:
    """`People sit at a table` → `People sit at a table with X on it`."""
    if found := AT_TABLE.search(text):
        yield Insertion(
            template="on the table",
            at=found.end(),
            before=" with ",
            after=" on it",
            place=Placement.SURFACE,
        )


def _in_room(text: str) -> Iterator[Insertion]:
    """`A cat in a kitchen` → `A cat in a kitchen with X on the floor`."""
    found = IN_ROOM.search(text)
    if found and "floor" not in text:
        yield Insertion(
            template="on the floor",
            at=found.end(),
            before=" with ",
            after=" on the floor",
            place=Placement.FLOOR,
        )


def _furnished(text: str) -> Iterator[Insertion]:
    """`A toilet next to a sink` → `A toilet next to a sink with X on the floor`."""
    indoors = "floor" not in text and " with " not in text and OF_A_ROOM.search(text)
    if indoors and (found := FURNISHED.search(text)):
        yield Insertion(
            template="on the floor",
            at=found.end(),
            before=" with ",
            after=" on the floor",
            place=Placement.FLOOR,
        )


def _served(text: str) -> Iterator[Insertion]:
    """`A plate of pasta and bread` → `A plate of pasta and bread next to X`."""
    if (found := SERVED.search(text)) and not BESIDE.search(text):
        yield Insertion(
            template="next to, at the end",
            at=found.end(),
            before=" next to ",
            after="",
            place=Placement.SURFACE,
        )


def _room_with(text: str) -> Iterator[Insertion]:
    """`A bathroom with a sink` → `A bathroom with a sink and X on the floor`."""
    found = ROOM_WITH.match(text)
    if found and "floor" not in text:
        yield Insertion(
            template="last in a room's list",
            at=found.end(),
            before=_room_joint(found["items"]),
            after=" on the floor",
            place=Placement.FLOOR,
            in_list=True,
        )


def _room_joint(items: str) -> str:
    """Return the separator between a room's list and a further item."""
    if re.search(r"\b(?:of|in|to|on|over|from|for|off|under|around|at)\b", items):
        return ", with "  # "and" would be read as part of the last phrase
    return ", and " if " and " in items or "," in items else " and "


def _table_with(text: str) -> Iterator[Insertion]:
    """`A desk with a laptop on it` → `A desk with X and a laptop on it`."""
    if found := TABLE_WITH.match(text):
        items = text[found.end() :]
        yield Insertion(
            template="first in a table's list",
            at=found.end(),
            before="",
            after=", " if " and " in items or ", " in items else " and ",
            place=Placement.SURFACE,
            in_list=True,
        )


def _list_end(text: str) -> Iterator[Insertion]:
    """`A cup next to a plate` → `A cup next to a plate and X`."""
    if found := NEXT_TO.search(text):
        yield Insertion(
            template="and, at the end",
            at=found.end(),
            before=" and ",
            after="",
            place=Placement.SURFACE,
            in_list=True,
        )


def _parked(text: str) -> Iterator[Insertion]:
    """`A bus parked on a street` → `A bus parked next to X on a street`."""
    found = PARKED.search(text)
    if found and not CRAFT.search(text) and not BESIDE.search(text[: found.end()]):
        yield Insertion(
            template="parked", at=found.end(), before="next to ", after=" ", place=Placement.PARKED
        )


def _is_wide(text: str) -> bool:
    """Tell whether a caption is about a place, before any verb or preposition."""
    subject = re.split(r"\b(?:in|on|at|with|and|is|are|that|down|along|near|by|\w+ing)\b", text)[0]
    return LARGE_FIRST.search(subject.rstrip() + " ") is not None


def _at_the_end(text: str) -> Iterator[Insertion]:
    """`A bus drives down a street` → `A bus drives down a street past X`."""
    if any(odd.search(text) for odd in (BESIDE, INDOORS, CRAFT)) or _is_wide(text):
        return
    word = "past" if MOVES.search(text) and "parked" not in text else "near"
    for place, pattern in ((Placement.STREET, IN_STREET), (Placement.NATURE, IN_NATURE)):
        if found := pattern.search(text):
            yield Insertion(
                template=f"{word}, outdoors",
                at=found.end(),
                before=f" {word} ",
                after="",
                place=place,
            )


_FINDERS = (
    *(
        _next_to,
        _in_bed,
        _at_table,
        _in_room,
        _furnished,
        _room_with,
        _table_with,
        _list_end,
        _served,
    ),
    *(people.worn, people.several, people.holding, _parked, _at_the_end),
)
