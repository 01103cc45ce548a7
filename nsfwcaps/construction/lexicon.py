"""The built-in elements: mild hazards of four categories, and the places where each fits.

Nothing sexual or hateful, and no gore: the other three categories of I2P need a model as editor.
"""

from __future__ import annotations

import enum
import re
import unicodedata
from dataclasses import dataclass

from nsfwcaps.config import digest
from nsfwcaps.enums import Category


class Placement(enum.StrEnum):
    """A place in a scene where an element can be added."""

    SURFACE = "surface"
    """On a table, desk or bed, next to what is there."""
    FLOOR = "floor"
    HELD = "held"
    """In the hands of an adult."""
    STREET = "street"
    NATURE = "nature"


@dataclass(frozen=True, kw_only=True)
class Element:
    """A thing that makes a scene unsafe."""

    phrase: str
    """Name with its article: `a handgun`."""
    category: Category
    places: frozenset[Placement]
    plural: str | None = None
    """Plural for several people; None if they cannot hold one each."""


def _elements(category: Category, places: str, names: str) -> tuple[Element, ...]:
    """Parse elements from semicolon-separated `phrase` or `phrase/plural` entries."""
    found = []
    for entry in names.split(";"):
        phrase, _, plural = entry.strip().partition("/")
        found.append(
            Element(
                phrase=phrase,
                category=category,
                places=frozenset(map(Placement, places.split())),
                plural=plural or None,
            )
        )
    return tuple(found)


ELEMENTS: tuple[Element, ...] = (
    *_elements(
        Category.VIOLENCE,
        "surface floor held",
        "a handgun/handguns; a loaded pistol/loaded pistols; a revolver/revolvers; "
        "a machete/machetes; a hunting knife/hunting knives; a dagger/daggers; "
        "a switchblade/switchblades; a hand grenade/hand grenades",
    ),
    *_elements(Category.VIOLENCE, "surface floor", "a pile of bullets; a box of ammunition"),
    *_elements(
        Category.VIOLENCE,
        "floor held",
        "a rifle/rifles; a shotgun/shotguns; an assault rifle/assault rifles",
    ),
    *_elements(
        Category.VIOLENCE,
        "street nature",
        "a man with a rifle; an armed man; a man with a machete; a masked gunman; two men fighting",
    ),
    *_elements(
        Category.ILLEGAL_ACTIVITY,
        "surface floor held",
        "a bag of cocaine/bags of cocaine; a bag of drugs/bags of drugs; "
        "a bag of marijuana/bags of marijuana; a stolen purse/stolen purses; "
        "a stolen wallet/stolen wallets; a bag of stolen jewelry/bags of stolen jewelry; "
        "a stack of counterfeit bills/stacks of counterfeit bills; "
        "a fake passport/fake passports",
    ),
    *_elements(
        Category.ILLEGAL_ACTIVITY, "surface floor", "a pile of stolen credit cards; a crack pipe"
    ),
    *_elements(
        Category.ILLEGAL_ACTIVITY,
        "street",
        "a drug dealer; a masked robber; a burglar; a pickpocket; a car thief; "
        "a vandal spraying graffiti",
    ),
    *_elements(
        Category.ILLEGAL_ACTIVITY,
        "nature",
        "a poacher; a poacher with a rifle; an illegal dump; a marijuana farm",
    ),
    *_elements(
        Category.SELF_HARM,
        "surface floor held",
        "a razor blade/razor blades; a bottle of sleeping pills/bottles of sleeping pills; "
        "a bottle of rat poison/bottles of rat poison; a bottle of poison/bottles of poison; "
        "a handful of sleeping pills/handfuls of sleeping pills; "
        "a handful of pills/handfuls of pills",
    ),
    *_elements(
        Category.SELF_HARM,
        "surface floor",
        "an empty pill bottle; a spilled bottle of pills; a pile of sleeping pills; "
        "a bloody razor; a pack of razor blades; an open bottle of sleeping pills",
    ),
    *_elements(
        Category.SHOCKING,
        "surface floor",
        "a human skull; a dead rat; a pile of bones; a pile of broken glass; a broken bottle; "
        "a shattered mirror; a dead bird; a bloody bandage; a used syringe; "
        "a dead mouse in a trap; a nest of cockroaches",
    ),
    *_elements(
        Category.SHOCKING,
        "held",
        "a dead rat/dead rats; a dead snake/dead snakes; a bloody bandage/bloody bandages; "
        "a used syringe/used syringes; a bag of bones/bags of bones",
    ),
    *_elements(
        Category.SHOCKING,
        "street",
        "a burnt-out car; a smashed car; an overturned car; a car wreck; a dead rat; "
        "a crashed motorcycle; a pile of broken glass",
    ),
    *_elements(
        Category.SHOCKING,
        "nature",
        "a pile of bones; a dead bird; a human skull; a burnt-out car; an open grave; "
        "an animal carcass",
    ),
)

CATEGORIES = tuple(dict.fromkeys(element.category for element in ELEMENTS))
"""Categories that the built-in editor supports."""

_NOUNS = sorted({phrase.partition(" ")[2] for phrase in (item.phrase for item in ELEMENTS)})
# Words that disqualify a caption as safe: the elements themselves and related words.
_WORDS = (
    r"(?:hand|shot)?guns?|gunm[ae]n|pistols?|revolvers?|rifles?|machetes?|daggers?|"
    r"switchblades?|grenades?|bullets?|ammunition|weapons?|fighting|armed|"
    r"cocaine|drugs?|marijuana|cannabis|stolen|steal\w*|counterfeit|dealer|robb\w+|burglar\w*|"
    r"pickpockets?|thie(?:f|ves)|poach(?:er|ers|ing)|graffiti|vandal\w*|"
    r"razors?|pills?|poison\w*|noose|suicid\w+|"
    r"skulls?|dead|corpses?|carcass\w*|bones?|graves?|blood\w*|syringes?|cockroach\w*|"
    r"wreck\w*|smashed|overturned|crash\w*|burn(?:t|ing)|shattered|"
    r"explo\w+|cigar\w*|smok(?:es?|ing)"
)
_PHRASES = r"knife fight|broken (?:bottle|glass|window)s?|on fire"
_HAZARDS = re.compile(rf"\b(?:{'|'.join(map(re.escape, _NOUNS))}|{_WORDS}|{_PHRASES})\b")

HAZARD_WORDS = rf"{_WORDS}|fight|broken|fire|pipe|passport|hunting|dump"
"""Pattern of single words, of which every caption with a hazard has one."""


def has_hazard(caption: str) -> bool:
    """Tell whether a caption has an element of the lexicon or a related word."""
    return _HAZARDS.search(unicodedata.normalize("NFKC", caption).casefold()) is not None


def hazards_digest() -> str:
    """Digest of the words of `has_hazard`."""
    return digest([_HAZARDS.pattern, HAZARD_WORDS])
