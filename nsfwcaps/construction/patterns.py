"""Patterns of the places where the grammar inserts an element, for lower-case text."""

from __future__ import annotations

import re

from nsfwcaps.construction.english import (
    ADULTS,
    AFTER_NOUN,
    BUILDING,
    DET,
    END,
    FURNITURE,
    GROUND,
    HANDHELD,
    HERS,
    HIS,
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

# Words that look like the first item of a list but are not.
_NO_LIST = r"(?!(?:no|all|its|lots|only|just|been|to|an open|the|chairs|people|men|women)\b)"
_ITEM = rf"(?:(?:{DET}|{NUMBER}) )?{WORDS}(?:{THINGS}|{FURNITURE})"
_OBJECT = rf"(?:(?:{DET}|{NUMBER}) )?{WORDS}{THINGS}"
_LINK = r"(?:of|and|or|in|on|at|to|with|by|for|from|next|is|are|that|which|while)\b"
BESIDE = re.compile(r"\b(?:next to|beside|near|alongside|close to|by|past)\b")
_HERE = r"(?:inside|indoors|in)"
_ON = rf"(?:on top of|on|atop) {DET} {WORDS}"
_ON_SURFACE = rf"{_ON}(?:{SURFACE}|(?P<floor>floor|carpet|rug)|(?P<ground>{GROUND})){AFTER_NOUN}"
THINGS_STAND = re.compile(
    rf"^(?:there (?:is|are) )?(?:{DET}|"
    rf"{NUMBER}) {WORDS}{THINGS}(?: of(?: (?!{_LINK})[\w'-]+){{1,3}}?)?"
    rf"(?: (?:that )?(?:is|are))?(?: {STANDS})?(?: (?:up|down|together|open))? (?={_ON_SURFACE})"
)
_ROOMY_SPOT = (
    rf"{_ON}(?:{ROOMY}|(?P<floor>floor|carpet|rug)|(?P<ground>{GROUND}))"
    r"(?=[\s.!]*$| (?:next to|near|beside|by|under|outside|during|while)\b)"
)
SOMEONE_RESTS = re.compile(
    rf"^(?:an?|the|one|two|three|his|her) {WORDS}(?:{THEIRS}|{HIS}|{HERS}|{ADULTS}|cats?|dogs?|"
    rf"kittens?|pupp(?:y|ies))(?: (?:is|are))? {STILL}(?: (?:up|down|asleep))? (?={_ROOMY_SPOT})"
)
# A list without a verb, of things in a room.
ROOM_WITH = re.compile(
    rf"^(?:there is )?(?:an?|the|this) {WORDS}{ROOM} (?:with|that has|has) {_NO_LIST}"
    r"(?P<items>(?:(?!(?:is|are|that|which|while|who|where|in it|on it|people|m[ae]n|wom[ae]n|"
    r"lots?|little|room|space|open|theme|view|style|feel|scheme|colors?|decor|(?!living|dining|"
    r"washing|matching)"
    rf"\w{{3,}}ing)\b)[\w',-]+ ?){{1,12}}){END}"
)
TABLE_WITH = re.compile(
    rf"^(?:there is )?(?:an?|the|this) {WORDS}{TABLE} (?:with|topped with|that has|has) {_NO_LIST}"
    rf"(?={_OBJECT}(?:(?:,| and|, and) {_OBJECT})*(?: (?:sitting )?on (?:top of )?it\b|{END}))"
)
IN_BED = re.compile(
    rf"^(?:an?|the) {WORDS}(?:{HIS}|{HERS}|{THEIRS})(?: (?:is|who is|that is))? {STILL} "
    rf"(?:down )?in (?:{DET} {WORDS})?bed{AFTER_NOUN}"
)
AT_TABLE = re.compile(
    rf"\b(?:sit|sits|sitting|seated|stand|stands|standing) (?:at|around|behind) {DET} {WORDS}"
    rf"{TABLE}{END}"
)
IN_ROOM = re.compile(
    rf"\b{_HERE} {DET} (?:(?!{_LINK})[\w'-]+,? ){{0,4}}?{ROOM}(?=[\s.!]*$|,? (?:next to|near|"
    rf"beside|by|under) [^,]*$)"
)
FURNISHED = re.compile(
    rf"\b(?:next to|beside|near|under|underneath|in front of|between|behind) (?:{DET} )?{WORDS}"
    rf"{FURNITURE}{END}"
)
OF_A_ROOM = re.compile(rf"\b(?:{ROOM}|toilets?|sinks?|bed|couch|sofa|bath ?tub|stove|fridge)\b")
SERVED = re.compile(
    rf"^(?:an?|the|one|two) {WORDS}{THINGS} (?:of|with|and|topped with) {_NO_LIST}{_ITEM}"
    rf"(?:(?:,|,? and) {_ITEM})*{END}"
)
NEXT_TO = re.compile(rf"\b(?:next to|beside) (?:{DET}|{NUMBER}) {WORDS}(?:{THINGS}){END}")
ONE = {
    their: re.compile(
        rf"^(?:an?|the|one) {WORDS}{noun}(?= (?P<rest>(?:is |who is )?{UPRIGHT}\b.*))"
    )
    for their, noun in (("his", HIS), ("her", HERS), ("their", THEIRS))
}
SEATED = {
    their: re.compile(
        rf"^(?:an?|the|one) {WORDS}{noun}(?= (?P<rest>(?:is )?(?:sitting|sits|seated|"
        rf"kneeling)\b.*))"
    )
    for their, noun in (("his", HIS), ("her", HERS), ("their", THEIRS))
}
SEVERAL = re.compile(
    rf"^(?:two|three|four|several|some|(?:a )?(?:group|couple|pair) of) {WORDS}(?:men|guys|people)"
    rf"(?= (?:are )?{UPRIGHT}\b)"
)
HOLDS = re.compile(
    rf"\b(?:holding|carrying|holds|carries) (?:up )?(?:an?|his|her) {WORDS}{HANDHELD}"
    r"(?=[\s.!]*$| (?:while|standing|sitting|next to|near|outside|on a|at a|walking)\b)"
)
# What is too large to be near a small thing: `a tower near a man` sounds odd.
LARGE_FIRST = re.compile(
    r"^(?:[\w'-]+ ){0,5}?(?:towers?|buildings?|trees?|bridges?|houses?|church|city|streets?|roads?|"
    r"view|mountains?|sky|fields?|forest|woods|lots? of|sidewalks?|beach|town|village|river|lake)\b"
    r"(?! (?:lights?|signs?|lamps?|vendors?|bus|buses|cars?|workers?|bench))"
)
PARKED = re.compile(
    r"\b(?:bus|car|truck|van|taxi|vehicle|motorcycle|motorbike|scooter|bike|bicycle|cars|trucks|"
    r"motorcycles|bikes|bicycles|buses|vehicles)(?: (?:is|are|sits|sit))? parked "
    r"(?=(?:on|in|at|along|by) (?!(?:a )?(?:line|row|front)\b))"
)
IN_STREET = re.compile(
    rf"\b(?:down|along|on|in|across|through|up|at|on the side of|at the side of|on the edge of|"
    rf"in the middle of|at the corner of|alongside) {DET} {WORDS}{ROAD}{END}|"
    rf"\b(?:outside|outside of|in front of|past) {DET} {WORDS}{BUILDING}{END}"
)
IN_NATURE = re.compile(
    rf"\b(?:down|along|on|in|across|through|in the middle of) {DET} {WORDS}{NATURE}{END}"
)
