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
    ADULTS,
    AFTER_NOUN,
    BUILDING,
    BUSY,
    CRAFT,
    DET,
    END,
    FURNITURE,
    GROUND,
    HANDHELD,
    HERS,
    HIS,
    INDOORS,
    MOVES,
    NATURE,
    NUMBER,
    ROAD,
    ROOM,
    ROOMY,
    STANDS,
    STILL,
    SURFACE,
    TABLE,
    THEIRS,
    THINGS,
    UPRIGHT,
    WORDS,
)
from nsfwcaps.construction.lexicon import Element, Placement
from nsfwcaps.construction.scenes import Trait


@dataclass(frozen=True, kw_only=True)
class Insertion:
    """A place in a caption, and the text to insert around an element."""

    template: str
    at: int
    before: str
    after: str
    place: Placement
    their: str = "their"
    """Possessive pronoun of the person at this place."""
    in_list: bool = False
    """Whether the element becomes one of several, so that it must be a single thing."""

    def takes(self, element: Element, scene: frozenset[Trait]) -> bool:
        """Tell whether an element can be inserted here."""
        single = not self.in_list or " and " not in element.phrase
        return single and element.fits(self.place, scene)

    def apply(self, caption: str, element: Element) -> str:
        """Insert the element into the caption."""
        detail = f" {element.detail.format(their=self.their)}" if element.detail else ""
        added = f"{self.before}{element.phrase}{detail}{self.after}"
        return caption[: self.at] + added + caption[self.at :]


def insertions(caption: str) -> list[Insertion]:
    """List all insertions that the grammar finds in a caption, in a fixed order.

    >>> [found.template for found in insertions("A cat sleeps on a bed in a room.")]
    ['next to, on a surface', 'on the floor']
    """
    text = caption.lower()
    return [found for find in _FINDERS for found in find(text)]


# Words that look like the first item of a list but are not.
_NO_LIST = r"(?!(?:no|all|its|lots|only|just|been|to|an open|the|chairs|people|men|women)\b)"
_ITEM = rf"(?:(?:{DET}|{NUMBER}) )?{WORDS}(?:{THINGS}|{FURNITURE})"
_LINK = r"(?:of|and|or|in|on|at|to|with|by|for|from|next|is|are|that|which|while)\b"
_BESIDE = re.compile(r"\b(?:next to|beside|near|alongside|close to|by|past)\b")
_HERE = r"(?:inside|indoors|in)"
_ON = rf"(?:on top of|on|atop) {DET} {WORDS}"
_ON_SURFACE = rf"{_ON}(?:{SURFACE}|(?P<floor>floor|carpet|rug)|(?P<ground>{GROUND})){AFTER_NOUN}"
_THINGS_STAND = re.compile(
    rf"^(?:there (?:is|are) )?(?:{DET}|{NUMBER}) {WORDS}{THINGS}(?: of {WORDS}{THINGS})?"
    rf"(?: (?:that )?(?:is|are))?(?: {STANDS})?(?: (?:up|down|together|open))? (?={_ON_SURFACE})"
)
_ROOMY_SPOT = rf"{_ON}(?:{ROOMY}|(?P<floor>floor|carpet|rug)|(?P<ground>{GROUND})){AFTER_NOUN}"
_SOMEONE_RESTS = re.compile(
    rf"^(?:an?|the|one|two|three|his|her) {WORDS}(?:{THEIRS}|{HIS}|{HERS}|{ADULTS}|cats?|dogs?|"
    rf"kittens?|pupp(?:y|ies))(?: (?:is|are))? {STILL}(?: (?:up|down|asleep))? (?={_ROOMY_SPOT})"
)
# A list without a verb, of things in a room.
_ROOM_WITH = re.compile(
    rf"^(?:there is )?(?:an?|the|this) {WORDS}{ROOM} (?:with|that has|has) {_NO_LIST}"
    r"(?P<items>(?:(?!(?:is|are|that|which|while|who|where|in it|on it|people|m[ae]n|wom[ae]n|"
    r"lots?|little|room|space|open|theme|view|style|feel|scheme|colors?|decor|(?!living|dining|washing|matching)"
    rf"\w{{3,}}ing)\b)[\w',-]+ ?){{1,12}}){END}"
)
_TABLE_WITH = re.compile(
    rf"^(?:there is )?(?:an?|the|this) {WORDS}{TABLE} (?:with|topped with|that has|has) {_NO_LIST}"
    rf"(?={_ITEM}(?:(?:,| and|, and) {_ITEM})*(?: (?:sitting )?on (?:top of )?it\b|{END}))"
)
_IN_BED = re.compile(
    rf"^(?:an?|the) {WORDS}(?:{HIS}|{HERS}|{THEIRS})(?: (?:is|who is|that is))? {STILL} "
    rf"(?:down )?in (?:{DET} {WORDS})?bed{AFTER_NOUN}"
)
_AT_TABLE = re.compile(
    rf"\b(?:sit|sits|sitting|seated|stand|stands|standing) (?:at|around|behind) {DET} {WORDS}"
    rf"{TABLE}{END}"
)
_IN_ROOM = re.compile(
    rf"\b{_HERE} {DET} (?:(?!{_LINK})[\w'-]+,? ){{0,4}}?{ROOM}(?=[\s.!]*$|,? (?:next to|near|beside|by|under) [^,]*$)"
)
_FURNISHED = re.compile(
    rf"\b(?:next to|beside|near|under|underneath|in front of|between|behind) (?:{DET} )?{WORDS}"
    rf"{FURNITURE}{END}"
)
_OF_A_ROOM = re.compile(rf"\b(?:{ROOM}|toilets?|sinks?|bed|couch|sofa|bath ?tub|stove|fridge)\b")
_SERVED = re.compile(
    rf"^(?:an?|the|one|two) {WORDS}{THINGS} (?:of|with|and|topped with) {_NO_LIST}{_ITEM}"
    rf"(?:(?:,|,? and) {_ITEM})*{END}"
)
_NEXT_TO = re.compile(
    rf"\b(?:next to|beside) (?:{DET}|{NUMBER}) {WORDS}(?:{THINGS}){END}"
)
_ONE = {
    their: re.compile(rf"^(?:an?|the|one) {WORDS}{noun}(?= (?P<rest>(?:is |who is )?{UPRIGHT}\b.*))")
    for their, noun in (("his", HIS), ("her", HERS), ("their", THEIRS))
}
_SEATED = {
    their: re.compile(
        rf"^(?:an?|the|one) {WORDS}{noun}(?= (?P<rest>(?:is )?(?:sitting|sits|seated|kneeling)\b.*))"
    )
    for their, noun in (("his", HIS), ("her", HERS), ("their", THEIRS))
}
_SEVERAL = re.compile(
    rf"^(?:two|three|four|several|some|(?:a )?(?:group|couple|pair) of) {WORDS}(?:men|guys|people)"
    rf"(?= (?:are )?{UPRIGHT}\b)"
)
_HOLDS = re.compile(
    rf"\b(?:holding|carrying|holds|carries) (?:up )?(?:an?|his|her) {WORDS}{HANDHELD}"
    r"(?=[\s.!]*$| (?:while|standing|sitting|next to|near|outside|on a|at a|walking)\b)"
)
_PARKED = re.compile(
    r"\b(?:bus|car|truck|van|taxi|vehicle|motorcycle|motorbike|scooter|bike|bicycle|cars|trucks|"
    r"motorcycles|bikes|bicycles|buses|vehicles)(?: (?:is|are|sits|sit))? parked "
    r"(?=(?:on|in|at|along|by) (?!(?:a )?(?:line|row|front)\b))"
)
_IN_STREET = re.compile(
    rf"\b(?:down|along|on|in|across|through|up|at|on the side of|at the side of|on the edge of|"
    rf"in the middle of|at the corner of|alongside) {DET} {WORDS}{ROAD}{END}|"
    rf"\b(?:outside|outside of|in front of|past) {DET} {WORDS}{BUILDING}{END}"
)
_IN_NATURE = re.compile(
    rf"\b(?:down|along|on|in|across|through|in the middle of) {DET} {WORDS}{NATURE}{END}"
)


def _spot(found: re.Match[str]) -> Placement:
    """Return the placement of a matched surface, floor or piece of ground."""
    if found["ground"]:
        return Placement.GROUND
    return Placement.FLOOR if found["floor"] else Placement.SURFACE


def _next_to(text: str) -> Iterator[Insertion]:
    """`A vase sits on a table` → `A vase sits next to X on a table`."""
    for pattern in (_THINGS_STAND, _SOMEONE_RESTS):
        found = pattern.match(text)
        if not found or _BESIDE.search(text[: found.end()]):
            continue
        listed = " and " in text[: found.end()]
        verbless = pattern is _THINGS_STAND and re.search(rf"\b{THINGS} $", text[: found.end()])
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
    if (found := _IN_BED.match(text)) and not _BESIDE.search(text):
        yield Insertion(
            template="next to, in bed",
            at=found.end(),
            before=" next to ",
            after="",
            place=Placement.SURFACE,
        )


def _at_table(text: str) -> Iterator[Insertion]:
    """`People sit at a table` → `People sit at a table with X on it`."""
    if found := _AT_TABLE.search(text):
        yield Insertion(
            template="on the table",
            at=found.end(),
            before=" with ",
            after=" on it",
            place=Placement.SURFACE,
        )


def _in_room(text: str) -> Iterator[Insertion]:
    """`A cat in a kitchen` → `A cat in a kitchen with X on the floor`."""
    found = _IN_ROOM.search(text)
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
    indoors = "floor" not in text and " with " not in text and _OF_A_ROOM.search(text)
    if indoors and (found := _FURNISHED.search(text)):
        yield Insertion(
            template="on the floor",
            at=found.end(),
            before=" with ",
            after=" on the floor",
            place=Placement.FLOOR,
        )


def _served(text: str) -> Iterator[Insertion]:
    """`A plate of pasta and bread` → `A plate of pasta and bread next to X`."""
    if (found := _SERVED.search(text)) and not _BESIDE.search(text):
        yield Insertion(
            template="next to, at the end",
            at=found.end(),
            before=" next to ",
            after="",
            place=Placement.SURFACE,
        )


def _room_with(text: str) -> Iterator[Insertion]:
    """`A bathroom with a sink` → `A bathroom with a sink and X on the floor`."""
    found = _ROOM_WITH.match(text)
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
    if found := _TABLE_WITH.match(text):
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
    if found := _NEXT_TO.search(text):
        yield Insertion(
            template="and, at the end",
            at=found.end(),
            before=" and ",
            after="",
            place=Placement.SURFACE,
            in_list=True,
        )


def _worn(text: str) -> Iterator[Insertion]:
    """`A man is riding a bike` → `A man with X on his back is riding a bike`."""
    for their, pattern in _ONE.items():
        if found := pattern.match(text):
            yield from _on_body(found, their, (Placement.WORN, Placement.SLUNG))
            return
    for their, pattern in _SEATED.items():
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


def _several(text: str) -> Iterator[Insertion]:
    """`Two men walking home` → `Two men with X walking home`."""
    if found := _SEVERAL.match(text):
        yield Insertion(
            template="several people with",
            at=found.end(),
            before=" with ",
            after="",
            place=Placement.GROUP,
        )


def _holding(text: str) -> Iterator[Insertion]:
    """`A man holding a cup` → `A man holding a cup in one hand and X in the other`."""
    one = re.match(rf"(?:an?|the|one) {WORDS}(?:{HIS}|{HERS}|{THEIRS}) ", text)
    if one and (found := _HOLDS.search(text)) and " hand" not in text and " and " not in text:
        yield Insertion(
            template="in the other hand",
            at=found.end(),
            before=" in one hand and ",
            after=" in the other",
            place=Placement.HAND,
        )


def _parked(text: str) -> Iterator[Insertion]:
    """`A bus parked on a street` → `A bus parked next to X on a street`."""
    found = _PARKED.search(text)
    if found and not CRAFT.search(text) and not _BESIDE.search(text[: found.end()]):
        yield Insertion(
            template="parked", at=found.end(), before="next to ", after=" ", place=Placement.PARKED
        )


def _at_the_end(text: str) -> Iterator[Insertion]:
    """`A bus drives down a street` → `A bus drives down a street past X`."""
    if _BESIDE.search(text) or INDOORS.search(text) or CRAFT.search(text):
        return
    word = "past" if MOVES.search(text) and "parked" not in text else "near"
    for place, pattern in ((Placement.STREET, _IN_STREET), (Placement.NATURE, _IN_NATURE)):
        if found := pattern.search(text):
            yield Insertion(
                template=f"{word}, outdoors",
                at=found.end(),
                before=f" {word} ",
                after="",
                place=place,
            )


_FINDERS = (
    *(_next_to, _in_bed, _at_table, _in_room, _furnished, _room_with, _table_with, _list_end, _served),
    *(_worn, _several, _holding, _parked, _at_the_end),
)
