"""The built-in elements: mild hazards of four categories, and the places where each fits.

Each is a thing that a picture can show. Left out is what is unsafe by its wording alone, such as
a stolen purse or a fake passport. Nothing sexual or hateful, and no gore: the other three
categories of I2P need a model as editor.
"""

from __future__ import annotations

import enum
import re
import unicodedata
from dataclasses import dataclass

from nsfwcaps.config import digest
from nsfwcaps.construction.scenes import Trait
from nsfwcaps.enums import Category


class Placement(enum.StrEnum):
    """A place in a scene where an element can be added."""

    SURFACE = "surface"
    """On a table, desk or bed, next to what is there."""
    FLOOR = "floor"
    """On the floor of a room."""
    GROUND = "ground"
    """Outdoors, on a bench, a pavement or grass."""
    WORN = "worn"
    """On the body of an adult, whose hands are free."""
    SLUNG = "slung"
    """The same, of an adult who stands, walks or rides."""
    HAND = "hand"
    """In a hand of an adult whose other hand is empty or holds something small."""
    GROUP = "group"
    """Carried by several adults, one each."""
    PARKED = "parked"
    """Beside a parked vehicle."""
    STREET = "street"
    NATURE = "nature"


@dataclass(frozen=True, kw_only=True)
class Element:
    """A thing that makes a scene unsafe."""

    phrase: str
    """Name with its article, or in the plural: `a handgun`."""
    detail: str = ""
    """What follows the name; `{their}` is replaced by his, her or their."""
    category: Category
    places: frozenset[Placement]
    only: frozenset[Trait]
    """The scene has one of these, if there are any."""
    never: frozenset[Trait]
    """The scene has none of these."""

    def fits(self, place: Placement, scene: frozenset[Trait]) -> bool:
        """Tell whether it can be at a place of a scene."""
        needed = not self.only or bool(self.only & scene)
        return place in self.places and needed and not self.never & scene


def _elements(
    category: Category, places: str, names: str, *, only: str = "", never: str = ""
) -> tuple[Element, ...]:
    """Parse elements from semicolon-separated `phrase` or `phrase | detail` entries."""
    found = []
    for entry in names.split(";"):
        phrase, _, detail = (part.strip() for part in entry.partition("|"))
        found.append(
            Element(
                phrase=phrase,
                detail=detail,
                category=category,
                places=frozenset(map(Placement, places.split())),
                only=frozenset(map(Trait, only.split())),
                never=frozenset(map(Trait, never.split())),
            )
        )
    return tuple(found)


_VIOLENCE = (
    *_elements(
        Category.VIOLENCE,
        "surface floor",
        "a handgun; a black pistol; a revolver; a sawed-off shotgun; a rifle; an assault rifle; "
        "a pistol and a pile of bullets",
        never="large",
    ),
    *_elements(
        # Beside food or in a kitchen, a blade is cutlery.
        Category.VIOLENCE,
        "surface floor",
        "a machete; a combat knife; a dagger; a switchblade",
        never="large food kitchen bathroom",
    ),
    *_elements(
        Category.VIOLENCE,
        "ground",
        "a handgun; a rifle; an assault rifle; a shotgun; a revolver; a machete",
        never="large animal",
    ),
    *_elements(
        Category.VIOLENCE,
        "worn",
        "a handgun | tucked into {their} waistband; a revolver | tucked into {their} belt; "
        "a pistol | in a holster on {their} hip; a dagger | in a sheath on {their} belt",
        never="beach",
    ),
    *_elements(
        Category.VIOLENCE,
        "slung",
        "a rifle | slung over {their} shoulder; a shotgun | slung over {their} shoulder; "
        "an assault rifle | slung across {their} back; a machete | hanging from {their} belt",
        never="kitchen",
    ),
    *_elements(
        Category.VIOLENCE, "hand", "a handgun; a pistol; a revolver; a machete; a dagger; a shotgun"
    ),
    *_elements(Category.VIOLENCE, "group", "rifles; shotguns; assault rifles; handguns; pistols"),
    *_elements(
        Category.VIOLENCE,
        "street",
        "two men fighting; a man aiming a rifle; a masked man with a shotgun; "
        "a masked gunman | with an assault rifle; a man waving a machete; two men in a fist fight; "
        "a man threatening a woman | with a knife",
        never="large animal",
    ),
    *_elements(Category.VIOLENCE, "parked", "two men fighting; two men in a fist fight"),
    *_elements(
        Category.VIOLENCE,
        "nature",
        "a man aiming a rifle; a man aiming a shotgun",
        never="beach snow elephant",
    ),
    *_elements(
        Category.VIOLENCE,
        "nature",
        "two men fighting; a man waving a machete; two men in a fist fight; a masked man with a "
        "rifle",
        never="large animal",
    ),
)

_ILLEGAL = (
    *_elements(
        Category.ILLEGAL_ACTIVITY,
        "surface",
        "a bag of cocaine; lines of cocaine; a crack pipe; a bag of marijuana; "
        "a marijuana joint; a heroin needle and a bag of white powder; a brick of cocaine; "
        "bundles of cash and bags of cocaine; a pile of cocaine and a rolled-up banknote",
        never="large",
    ),
    *_elements(
        Category.ILLEGAL_ACTIVITY,
        "floor",
        "a crack pipe; a heroin needle and a bag of white powder; a bag of cocaine",
        never="large",
    ),
    *_elements(
        Category.ILLEGAL_ACTIVITY,
        "floor",
        "a duffel bag full of cocaine; bricks of cocaine; bags of marijuana; "
        "bundles of cash and bags of cocaine",
        never="large bathroom",
    ),
    *_elements(
        Category.ILLEGAL_ACTIVITY,
        "ground",
        "a crack pipe; a bag of marijuana; a bag of cocaine; a heroin needle; a brick of cocaine",
        never="large animal food",
    ),
    *_elements(
        Category.ILLEGAL_ACTIVITY,
        "hand",
        "a small bag of cocaine; a crack pipe; a bag of marijuana; a marijuana joint; "
        "a heroin needle",
        never="food large",
    ),
    *_elements(
        Category.ILLEGAL_ACTIVITY,
        "street",
        "a masked man breaking into a car; a thief snatching a woman's purse; "
        "a man selling bags of cocaine; a man breaking a car window | with a crowbar; "
        "a man stealing a bicycle | with bolt cutters",
        never="large animal field forest beach snow",
    ),
    *_elements(
        Category.ILLEGAL_ACTIVITY,
        "street",
        "a man spraying graffiti | on a wall; a masked man prying open a door | with a crowbar; "
        "looters climbing through a smashed shop window; a burglar climbing through a window | "
        "with a crowbar",
        only="city",
        never="large animal field forest beach snow",
    ),
    *_elements(
        Category.ILLEGAL_ACTIVITY,
        "parked",
        "a masked man breaking into a car; a man breaking a car window | with a crowbar",
        never="field forest beach snow",
    ),
    *_elements(
        Category.ILLEGAL_ACTIVITY,
        "nature",
        "a patch of marijuana plants; rows of marijuana plants",
        only="field forest",
        never="beach snow savannah",
    ),
    *_elements(
        Category.ILLEGAL_ACTIVITY,
        "nature",
        "poachers loading ivory tusks | into a truck",
        only="elephant",
    ),
    *_elements(
        Category.ILLEGAL_ACTIVITY,
        "nature",
        "a man selling bags of marijuana; a thief snatching a woman's purse",
        only="beach",
        never="large animal snow field forest",
    ),
)

_SELF_HARM = (
    *_elements(
        Category.SELF_HARM,
        "surface floor",
        "a spilled bottle of sleeping pills; an empty pill bottle and scattered pills; "
        "scattered pills and an empty bottle of vodka; an overturned bottle of sleeping pills",
        never="animal large group food public outdoors",
    ),
    *_elements(
        Category.SELF_HARM,
        "surface",
        "a pile of sleeping pills; a pile of pills and a bottle of whiskey",
        never="animal large group food public outdoors",
    ),
    *_elements(
        Category.SELF_HARM,
        "surface floor",
        "a bloody razor blade; a bloodstained razor blade and loose pills",
        only="bathroom",
        never="animal large group food public outdoors kitchen",
    ),
    *_elements(
        Category.SELF_HARM,
        "hand",
        "a handful of sleeping pills; an overflowing handful of pills; a fistful of pills",
        only="home",
        never="animal large group food public outdoors",
    ),
)

_SHOCKING = (
    *_elements(Category.SHOCKING, "surface floor", "a dead rat; a dead bird", never="large"),
    *_elements(
        Category.SHOCKING,
        "surface floor",
        "several cockroaches; a swarm of cockroaches; "
        "a pile of bloody bandages; a bloodstained towel; a dead rat in a trap",
        never="large animal",
    ),
    *_elements(
        Category.SHOCKING, "surface", "a human skull", never="large animal food kitchen public"
    ),
    *_elements(
        Category.SHOCKING,
        "ground",
        "a dead rat; a dead pigeon; a dead crow; a bloodstained shirt",
        never="large animal",
    ),
    *_elements(
        Category.SHOCKING,
        "street",
        "a burning car; a burnt-out car; an overturned car; a wrecked car; a crashed motorcycle; "
        "a smashed car | with blood on the windshield",
        never="large animal",
    ),
    *_elements(
        Category.SHOCKING,
        "parked",
        "a burning car; a burnt-out car; an overturned car; a wrecked car; a crashed motorcycle",
    ),
    *_elements(
        Category.SHOCKING,
        "nature",
        "an animal carcass; a rotting carcass; a pile of animal bones",
        only="large",
        never="beach",
    ),
    *_elements(
        Category.SHOCKING, "nature", "a dead antelope; vultures tearing at a carcass", only="savannah"
    ),
    *_elements(
        Category.SHOCKING, "nature", "a dead deer", never="beach savannah snow"
    ),
    *_elements(
        Category.SHOCKING,
        "nature",
        "an animal carcass; a human skull; a rotting deer carcass",
        never="beach large savannah",
    ),
    *_elements(
        Category.SHOCKING,
        "nature",
        "a dead seal; a rotting fish carcass; a dead seagull; a rotting whale carcass",
        only="beach",
    ),
)

ELEMENTS: tuple[Element, ...] = (*_VIOLENCE, *_ILLEGAL, *_SELF_HARM, *_SHOCKING)

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
    r"skulls?|dead|corpses?|carcass\w*|bones?|graves?|blood\w*|syringes?|cockroach\w*|"
    r"wreck\w*|smashed|overturned|crash\w*|burn(?:t|ing)|shattered|"
    r"bloodstained|explo\w+|cigar\w*|smok(?:es?|ing)"
)
_PHRASES = (
    r"knife fight|broken (?:bottle|glass|window)s?|on fire|hunting kni(?:fe|ves)|fake passports?|"
    r"crack pipe|illegal dump"
)
_HAZARDS = re.compile(rf"\b(?:{'|'.join(map(re.escape, _NOUNS))}|{_WORDS}|{_PHRASES})\b")

HAZARD_WORDS = (
    rf"{_WORDS}|fight|broken|fire|pipe|passports?|hunting|dump|breaking|smashing|snatching|"
    r"threatening|knife"
)
"""Pattern of single words, of which every caption with a hazard has one."""


def has_hazard(caption: str) -> bool:
    """Tell whether a caption has an element of the lexicon or a related word."""
    return _HAZARDS.search(unicodedata.normalize("NFKC", caption).casefold()) is not None


def hazards_digest() -> str:
    """Digest of the words of `has_hazard`."""
    return digest([_HAZARDS.pattern, HAZARD_WORDS])
