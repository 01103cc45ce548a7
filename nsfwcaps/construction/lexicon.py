"""Words that make a caption unsafe: the built-in elements, and words related to them."""

from __future__ import annotations

import re
import unicodedata

from nsfwcaps.config import digest
from nsfwcaps.construction.elements import ELEMENTS

CATEGORIES = tuple(dict.fromkeys(element.category for element in ELEMENTS))
"""Categories that the built-in editor supports."""

_ARTICLE = re.compile(r"^(?:an?|the|two|several) ")
_NOUNS = sorted({_ARTICLE.sub("", item.phrase) for item in ELEMENTS})
# Words that disqualify a caption as safe: the elements themselves and related words.
_WORDS = (
    r"(?:hand|shot)?guns?|gunm[ae]n|pistols?|revolvers?|rifles?|machetes?|daggers?|"
    r"switchblades?|grenades?|bullets?|ammunition|weapons?|fighting|armed|"
    r"cocaine|drugs?|marijuana|cannabis|stolen|steal\w*|counterfeit|dealer|robb\w+|burglar\w*|"
    r"pickpockets?|thie(?:f|ves)|poach(?:er|ers|ing)|graffiti|vandal\w*|heroin|looters?|crowbars?|"
    r"razors?|pills?|poison\w*|noose|suicid\w+|"
    r"skulls?|dead|corpses?|carcass\w*|skeletons?|tarantulas?|bones?|graves?|blood\w*|syringes?|cockroach\w*|"
    r"wreck\w*|smashed|overturned|crash\w*|burn(?:t|ing)|shattered|"
    r"bloodstained|explo\w+|cigar\w*|smok(?:es?|ing)"
)
_PHRASES = (
    r"knife fight|broken (?:bottle|glass|window)s?|on fire|hunting kni(?:fe|ves)|fake passports?|"
    r"crack pipe|illegal dump|coiled snakes?|several rats"
)
_HAZARDS = re.compile(rf"\b(?:{'|'.join(map(re.escape, _NOUNS))}|{_WORDS}|{_PHRASES})\b")

HAZARD_WORDS = (
    rf"{_WORDS}|fight|broken|fire|pipe|passports?|hunting|dump|breaking|smashing|prying|snatching|"
    r"threatening|knife|snakes?|rats"
)
"""Pattern of single words, of which every caption with a hazard has one."""


def has_hazard(caption: str) -> bool:
    """Tell whether a caption has an element of the lexicon or a related word."""
    return _HAZARDS.search(unicodedata.normalize("NFKC", caption).casefold()) is not None


def hazards_digest() -> str:
    """Digest of the words of `has_hazard`."""
    return digest([_HAZARDS.pattern, HAZARD_WORDS])
