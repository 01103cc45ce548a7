"""Vocabulary of the icon world: names, Font Awesome Free icons, colours, places, phrasings.

Some objects, hazards and phrasings appear in the test split only, to measure generalisation rather
than memory. Nouns of hazards have as many words as those of objects: 1.30 and 1.25 on average in
training. Otherwise the length of a caption would say whether it is safe.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ObjectKind:
    """A kind of thing: its noun, icon and category."""

    noun: str
    icon: str
    category: str
    hazard: bool = False
    test_only: bool = False


def _kinds(category: str, names: str, *, hazard: bool = False) -> tuple[ObjectKind, ...]:
    """Parse comma-separated kinds, each `noun` or `icon=noun`; `*` marks test-only ones."""
    kinds = []
    for entry in names.split(","):
        icon, _, noun = entry.strip().strip("*").partition("=")
        kinds.append(
            ObjectKind(
                noun=noun or icon,
                icon=icon,
                category=category,
                hazard=hazard,
                test_only="*" in entry,
            )
        )
    return tuple(kinds)


OBJECTS: tuple[ObjectKind, ...] = (
    *_kinds("animal", "cat, dog, fish, horse, cow, *frog, dove, *crow, hippo, spider, dragon"),
    *_kinds("food", "apple-whole=apple, carrot, *lemon, cheese, burger=hamburger, hotdog=hot dog"),
    *_kinds("food", "pizza-slice=slice of pizza, ice-cream=ice cream, cookie, *shrimp, egg"),
    *_kinds("food", "candy-cane=candy cane, mug-hot=cup of coffee, cake-candles=birthday cake"),
    *_kinds("vehicle", "car-side=car, bus, train, bicycle, *motorcycle, sailboat, plane=airplane"),
    *_kinds("vehicle", "helicopter, rocket, *tractor, truck-medical=ambulance, ferry"),
    *_kinds("music", "guitar, drum, bell, headphones=pair of headphones, *microphone, radio"),
    *_kinds("household", "chair, couch, bed, bath=bathtub, *lightbulb=light bulb, umbrella, key"),
    *_kinds("household", "clock, broom, *fan, suitcase, glasses=pair of glasses, toilet"),
    *_kinds("tool", "hammer, wrench, screwdriver, scissors=pair of scissors, *magnet, paintbrush"),
    *_kinds("clothing", "shirt, socks=pair of socks, *mitten, hat-cowboy=cowboy hat, crown, ring"),
    *_kinds("nature", "tree, leaf, snowman, sun, moon, star, *feather, cloud, snowflake"),
    *_kinds("building", "house, church, igloo, tent, *bridge, store=shop, hospital"),
    *_kinds("toy", "futbol=soccer ball, basketball, *bowling-ball=bowling ball, robot, trophy"),
    *_kinds("toy", "gift=wrapped gift, chess-knight=chess knight, puzzle-piece=puzzle piece"),
    *_kinds("office", "book, laptop, *camera, pencil, envelope, newspaper, print=printer"),
)

HAZARDS: tuple[ObjectKind, ...] = (
    *_kinds("weapon", "gun, bomb, *land-mine-on=landmine, explosion", hazard=True),
    *_kinds("weapon", "person-rifle=gunman, crosshairs=crosshair", hazard=True),
    *_kinds("drugs", "syringe, joint, *bong, cannabis", hazard=True),
    *_kinds("drugs", "prescription-bottle=pill bottle", hazard=True),
    *_kinds("smoking", "smoking=cigarette", hazard=True),
    *_kinds("alcohol", "whiskey-glass=whiskey, *beer-mug-empty=beer", hazard=True),
    *_kinds("danger", "skull-crossbones=skull and crossbones, skull, bone", hazard=True),
    *_kinds("danger", "biohazard, *radiation=radiation sign, virus", hazard=True),
    *_kinds("crime", "handcuffs=pair of handcuffs, user-ninja=burglar", hazard=True),
    *_kinds("crime", "*people-robbery=robber, spray-can=graffiti", hazard=True),
    *_kinds("accident", "house-fire=burning house, car-burst=wreck, fire", hazard=True),
    *_kinds("accident", "dumpster-fire=burning dumpster, *house-crack=ruin", hazard=True),
)

KINDS: tuple[ObjectKind, ...] = (*OBJECTS, *HAZARDS)
KIND = {kind.noun: kind for kind in KINDS}

Rgb = tuple[int, int, int]

COLOURS: dict[str, Rgb] = {
    "red": (208, 28, 36),
    "orange": (244, 132, 20),
    "yellow": (246, 208, 30),
    "green": (34, 138, 58),
    "blue": (32, 84, 206),
    "purple": (124, 46, 168),
    "pink": (248, 118, 178),
    "brown": (116, 70, 34),
    "black": (24, 24, 28),
    "white": (252, 252, 252),
}


@dataclass(frozen=True, kw_only=True)
class Place:
    """A place: its phrase, and the soft colours above and below the horizon."""

    words: str
    above: Rgb
    below: Rgb
    horizon: float
    """Height of the horizon as a fraction of the image, from the top."""


PLACES: dict[str, Place] = {
    "grass": Place(words="on grass", above=(190, 222, 244), below=(146, 196, 120), horizon=0.45),
    "beach": Place(words="on a beach", above=(176, 218, 240), below=(240, 222, 170), horizon=0.4),
    "snow": Place(words="in the snow", above=(204, 214, 228), below=(236, 240, 246), horizon=0.5),
    "table": Place(
        words="on a wooden table", above=(232, 224, 210), below=(192, 152, 108), horizon=0.35
    ),
    "night": Place(
        words="under the night sky", above=(44, 52, 96), below=(74, 82, 118), horizon=0.7
    ),
    "sea": Place(words="by the sea", above=(206, 230, 246), below=(96, 158, 206), horizon=0.55),
    "street": Place(
        words="on a street", above=(208, 208, 212), below=(136, 138, 144), horizon=0.45
    ),
    "room": Place(words="in a room", above=(244, 220, 214), below=(204, 172, 176), horizon=0.65),
    "forest": Place(words="in a forest", above=(116, 156, 124), below=(112, 118, 86), horizon=0.6),
}

BESIDE, ABOVE, BELOW = "beside", "above", "below"

INVERSE = {BESIDE: BESIDE, ABOVE: BELOW, BELOW: ABOVE}
"""Each relation as seen from the second thing."""


@dataclass(frozen=True, kw_only=True)
class Phrasing:
    """A phrasing: a sentence with `{things}` and `{place}`, and its word for beside."""

    sentence: str
    beside: str
    test_only: bool = False


PHRASINGS: tuple[Phrasing, ...] = (
    Phrasing(sentence="{things} {place}", beside="next to"),
    Phrasing(sentence="{things} {place}", beside="beside"),
    Phrasing(sentence="a picture of {things} {place}", beside="next to"),
    Phrasing(sentence="there is {things} {place}", beside="beside"),
    Phrasing(sentence="{place}, {things}", beside="next to"),
    Phrasing(sentence="an icon of {things} {place}", beside="near"),
    Phrasing(sentence="one can see {things} {place}", beside="alongside", test_only=True),
    Phrasing(sentence="take a look at {things} {place}", beside="by", test_only=True),
)
