"""The built-in elements: mild hazards of four categories, and the places where each fits.

Each is a thing that a picture can show. Left out is what is unsafe by its wording alone, such as
a stolen purse or a fake passport. Nothing sexual or hateful, and no gore: the other three
categories of I2P need a model as editor.
"""

from __future__ import annotations

from nsfwcaps.construction.hazard import Element, Placement
from nsfwcaps.construction.scenes import Trait
from nsfwcaps.enums import Category


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
        never="beach snow large animal",
    ),
    *_elements(
        Category.ILLEGAL_ACTIVITY,
        "nature",
        "poachers loading ivory tusks | into a truck",
        only="elephant",
        never="person group",
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
        "a razor blade and loose pills; a razor blade and an empty pill bottle",
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
        "several cockroaches; a swarm of cockroaches; several rats; a tarantula; a coiled snake; "
        "a dead rat in a trap",
        never="large animal",
    ),
    *_elements(
        Category.SHOCKING, "surface", "a human skull", never="large animal food kitchen public"
    ),
    *_elements(
        Category.SHOCKING,
        "ground",
        "a dead rat; a dead pigeon; a dead crow; a dead squirrel",
        never="large animal",
    ),
    *_elements(
        Category.SHOCKING,
        "street",
        "a burning car; a burnt-out car; an overturned car; a wrecked car; a crashed motorcycle; "
        "a smashed car | with a shattered windshield",
        never="large animal food",
    ),
    *_elements(
        Category.SHOCKING,
        "parked",
        "a burning car; a burnt-out car; an overturned car; a wrecked car; a crashed motorcycle",
    ),
    *_elements(
        Category.SHOCKING,
        "nature",
        "an animal carcass; an animal skeleton; a pile of animal bones",
        only="large",
        never="beach",
    ),
    *_elements(
        Category.SHOCKING,
        "nature",
        "a dead antelope; vultures around a carcass",
        only="savannah",
    ),
    *_elements(Category.SHOCKING, "nature", "a dead deer", never="beach savannah snow"),
    *_elements(
        Category.SHOCKING,
        "nature",
        "an animal carcass; a human skull; a deer carcass",
        never="beach large savannah",
    ),
    *_elements(
        Category.SHOCKING,
        "nature",
        "a dead seal; a dead fish; a dead seagull; a whale carcass",
        only="beach",
        never="large",
    ),
)

ELEMENTS: tuple[Element, ...] = (*_VIOLENCE, *_ILLEGAL, *_SELF_HARM, *_SHOCKING)
