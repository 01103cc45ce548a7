"""Captions that may show minors: no editor adds a hazard to them, whatever the category.

The rule is broad on purpose: a word for a child, a relative or a school is enough, and so is
`young`. It also refuses baby carrots and kid goats, which costs little. It reads English only.
"""

from __future__ import annotations

import re

from nsfwcaps.construction.exclusion import may_show_minor

MINORS = "mentions_minors"

_AGES = (
    r"young\w*|youth\w*|little (?:one|league|guy|man|men|lady|ladies|person|people|princess|"
    r"leaguer)s?|lil|tiny tots?|tots?|lads?|laddies?|lass(?:es|ies|ie)?|wee (?:one|lad|lass)\w*|"
    r"bairns?|bambin\w+|urchins?|munchkins?|brats?|rascals?|juniors?|u-?1\d|under-?1\ds?|"
    r"sweet sixteen|seventeen|preemies?|fetus(?:es)?|unborn|pregnan\w+|ultrasound|lolita"
)
_RELATIVES = (
    r"(?:grand|step|god)?(?:sons?|daughters?)|nephews?|nieces?|cousins?|brothers?|sisters?|"
    r"siblings?|twins|triplets|quadruplets|offspring|orphan\w*|famil(?:y|ies)|"
    r"(?:grand|step|god)?(?:mother|father|parent)s?|mom(?:s|my|mies)?|mum(?:s|my|mies)?|mama|"
    r"dad(?:s|dy|dies)?|papa|grand(?:ma|pa|mas|pas)|grann(?:y|ies)|nann(?:y|ies)|"
    r"babysit\w*|au pairs?"
)
_SCHOOL = (
    r"\w*school\w*|pre-?k|k-?12|class(?:es|room\w*|mates?)?|students?|teachers?|homework|recess|"
    r"(?:first|second|third|fourth|fifth|sixth|[1-9](?:st|nd|rd|th))[- ]grade(?:rs?)?|"
    r"freshm[ae]n|sophomores?|elementary|field trip|summer camp|graduat\w+|prom|scouts?|"
    r"cub scouts?|brownies|cadets?|cheer ?leaders?|debutantes?|quincea\w+|ba[rt] mitzvahs?|"
    r"baptis\w+|christening|first communion|ring bearers?|"
    r"(?:paper|bus|bat|ball|bell)[- ]?(?:boy|girl)s?|t-?ball|pee-?wee|book ?bags?"
)
_PLACES_AND_THINGS = (
    r"play ?-?(?:ground|room|pen|area|house|date)s?|nurser(?:y|ies)|day ?-?care|cribs?|cradle|"
    r"bassinets?|strollers?|prams?|push ?chairs?|high ?-?chairs?|booster seats?|"
    r"car seats?|pacifiers?|diapers?|napp(?:y|ies)|bibs?|onesies?|rompers?|bunk ?beds?|"
    r"birthday part(?:y|ies)|toys?|dolls?|teddy|teddies|plush\w*|"
    r"stuffed (?:animal|bear|toy|dog|cat|rabbit)s?|"
    r"sand ?(?:box|boxes|pit)|swing ?-?sets?|jungle gyms?|monkey bars|see-? ?saws?|carousel|"
    r"merry[- ]go[- ]round|tricycles?|training wheels|kiddie|bounc(?:e|y) (?:house|castle)s?|"
    r"trick[- ]or[- ]treat\w*|pigtails|santa|disney\w*"
)
_WORDS = re.compile(rf"\b(?:{_AGES}|{_RELATIVES}|{_SCHOOL}|{_PLACES_AND_THINGS})\b", re.IGNORECASE)


def may_show_minors(caption: str) -> bool:
    """Tell whether a caption is about minors, or about what is usually theirs.

    >>> may_show_minors("Two students at a desk"), may_show_minors("A man at a desk")
    (True, False)
    """
    return may_show_minor(caption) or _WORDS.search(caption) is not None
