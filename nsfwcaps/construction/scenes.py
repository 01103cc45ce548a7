"""What a caption shows, by its words.

This decides which hazards fit: pills do not lie beside zebras.
"""

from __future__ import annotations

import enum
import re

from nsfwcaps.construction.english import ADULT, ADULTS


class Trait(enum.StrEnum):
    """Something that a caption mentions, and by which hazards are chosen."""

    ANIMAL = "animal"
    LARGE = "large"
    """Wild or farm animals."""
    ELEPHANT = "elephant"
    FOOD = "food"
    PERSON = "person"
    GROUP = "group"
    """Several people, or one beside others."""
    BATHROOM = "bathroom"
    KITCHEN = "kitchen"
    PUBLIC = "public"
    """An indoor place that strangers enter."""
    OUTDOORS = "outdoors"
    BEACH = "beach"
    SNOW = "snow"
    FIELD = "field"
    FOREST = "forest"
    CITY = "city"
    SAVANNAH = "savannah"
    HOME = "home"


_TRAITS = {
    Trait.ANIMAL: r"cats?|kittens?|kitty|dogs?|pupp(?:y|ies)|birds?|pigeons?|ducks?|geese|parrots?|"
    r"bears?|rabbits?|animals?|squirrels?|seagulls?|owls?|chickens?|hamsters?|monkeys?|swans?",
    Trait.LARGE: r"horses?|pon(?:y|ies)|cows?|cattle|bulls?|calf|calves|oxen|ox|sheep|lambs?|"
    r"goats?|"
    r"elephants?|giraffes?|zebras?|bears?|rhinos?|deer|lions?|tigers?|camels?|llamas?|buffalos?|"
    r"animals?|herd|antelopes?|gazelles?|donkeys?|moose|ostrich(?:es)?|monkeys?|pigs?|leopards?",
    Trait.ELEPHANT: r"elephants?",
    Trait.FOOD: r"plates?|food|bowls?|cakes?|cupcakes?|pizzas?|sandwich(?:es)?|salads?|fruits?|"
    r"bananas?|apples?|oranges?|pears?|lemons?|vegetables?|veggies|broccoli|carrots?|meat|bread|"
    r"cheese|donuts?|doughnuts?|hot dogs?|dish(?:es)?|meals?|soup|pasta|desserts?|pastr(?:y|ies)|"
    r"cookies?|toast|fries|breakfast|lunch|dinner|dining|eat(?:s|ing)?|eggs?|rice|chicken|buffet|"
    r"picnic|sausages?|sushi|burgers?|potato(?:es)?|tomato(?:es)?|onions?|beans|snacks?|chocolate|cream|"
    r"pie|pies",
    Trait.PERSON: rf"{ADULT}|adult|he|she|someone",
    Trait.GROUP: rf"{ADULTS}|couples?|crowds?|another (?:{ADULT})|others|together|"
    r"audience|diners|teams?|everyone|they",
    Trait.BATHROOM: r"bathrooms?|restrooms?|toilets?|urinals?|bath ?tubs?|tub|showers?",
    Trait.KITCHEN: r"kitchens?|stoves?|ovens?|cutting board|chopping|cook(?:s|ing)?|chefs?|"
    r"microwave|refrigerator|fridge|counter ?tops?|blender|toaster|scissors|kniv?(?:e|es)",
    Trait.PUBLIC: r"restaurants?|cafes?|caf\u00e9|stores?|shops?|diners?|lobby|librar(?:y|ies)|"
    r"bakery|offices?|cubicles?|stations?|airports?|public|urinals?|stalls?|markets?|bars?|hotels?|"
    r"museums?|conference|meetings?|waiting room|churchs?|buffet|display(?:ed|s)?|barn|warehouse|"
    r"workshop|commercial|gym|theater|auditorium|hall|trains?|bus(?:es)?|planes?",
    Trait.OUTDOORS: r"outside|outdoors?|streets?|roads?|sidewalks?|parks?|grass\w*|fields?|yard|"
    r"garden|lawn|bench(?:es)?|trees?|beach|ocean|lake|river|pier|dock|deck|porch|patio|pavement|"
    r"umbrellas?|walls?|water|balcony|fire hydrants?|parking|hillside|sand|snow\w*|mountains?|"
    r"picnic|sky|city|concrete|dirt|sunny",
    Trait.BEACH: r"beach\w*|ocean|sea|shores?|surf\w*",
    Trait.SNOW: r"snow\w*|ice|icy|polar",
    Trait.FIELD: r"fields?|farms?|pastures?|meadows?|hillsides?|hills?|grass\w*|yard",
    Trait.CITY: r"city|cities|town|downtown|buildings?|shops?|stores?|sidewalk|restaurants?|"
    r"hotels?|"
    r"apartments?|crosswalk|intersection|streets?",
    Trait.SAVANNAH: r"elephants?|giraffes?|zebras?|lions?|antelopes?|gazelles?|rhinos?",
    Trait.HOME: r"bed|beds|(?:bed|bath|living |bed )rooms?|couch|sofa|kitchen|room|desk|tables?|"
    r"chair|"
    r"mirror|apartment|house|home|recliner|toilets?|bath ?tub|shower",
    Trait.FOREST: r"forests?|woods|trees?|trails?|path|bushes|brush",
}
_HAS = {trait: re.compile(rf"\b(?:{words})\b") for trait, words in _TRAITS.items()}

_TRUCK_BED = re.compile(
    r"\bbeds? of (?:an?|the|his|her|their) (?:[\w-]+ ){0,2}?(?:truck|pick-?up)s?\b"
)


def traits(caption: str) -> frozenset[Trait]:
    """Return what a caption mentions.

    >>> sorted(traits("A cat sleeps on a kitchen table"))
    ['animal', 'kitchen']
    """
    text = _TRUCK_BED.sub("truck", caption.lower())
    text = text.replace("hot dog", "sausage").replace("hotdog", "sausage")
    return frozenset(trait for trait, words in _HAS.items() if words.search(text))
