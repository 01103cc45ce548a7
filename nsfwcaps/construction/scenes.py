"""What a caption shows, by its words: whether it is one whole scene, and what is in it.

An edit is only as natural as its source, so the rules leave broken and odd captions alone. What
is in the scene decides which hazards fit: pills do not lie beside zebras.
"""

from __future__ import annotations

import enum
import re

from nsfwcaps.construction.english import ADULT, ADULTS, DET, NUMBER
from nsfwcaps.construction.minors import may_show_minors
from nsfwcaps.construction.spelling import misspelt

BROKEN = "broken_caption"
ODD = "odd_scene"
MINORS = "mentions_minors"


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

# A hazard beside sport, play, a work of art or a feast reads as a joke; a weapon beside a uniform,
# or a scene whose words for it have a second, violent sense, is misread.
_ODD = re.compile(
    r"\b(?:tennis|baseball|surf\w*|ski|skis|skier\w*|skiing|snow ?board\w*|skat\w*|frisbees?|"
    r"soccer|"
    r"football|basketball|volleyball|cricket|rugby|polo|golf\w*|bowling|hockey|rodeo|races?|racing|"
    r"kites?|batter|pitch\w*|umpire|catcher|bats?|batting|balls?|racquets?|rackets?|games?|gaming|"
    r"discs?|wii|nintendo|remotes?|controllers?|play(?:s|ing|ers?|ed)?|sports?|contest|competi\w+|"
    r"jump\w*|tricks?|stunts?|shoot\w*|shots?|killer|hit(?:s|ting)?|swing\w*|strik\w+|aim\w*|bomb|"
    r"police\w*|officers?|cops?|soldiers?|military|army|navy|guards?|fire ?(?:fighters?|m[ae]n|"
    r"trucks?)|"
    r"uniform\w*|parade|festival|concert|statues?|sculptur\w+|paint(?:ing|ings|ed)|drawings?|"
    r"drawn|cartoons?|murals?|posters?|art|artistic|mannequins?|figurines?|models?|fake|costumes?|"
    r"masks?|halloween|museums?|weddings?|brides?|groom|party|parties|christmas|holidays?|"
    r"celebrat\w+|"
    r"smil(?:e|es|ing)|happ(?:y|ily)|laugh\w*|cute|adorable|beautiful\w*|lovely|pretty|charming|"
    r"stylish|fun|funny|silly|joy\w*|cheer\w*|peaceful\w*|serene|romantic|delicious|tasty|yummy|"
    r"shirtless|topless|bikinis?|nude|naked|underwear|lingerie|pregnant|handicapped|wheelchairs?|"
    r"blind|homeless|"
    r"para-?sail\w*|kayak\w*|raft\w*|div(?:er|ers|ing)|clean|spotless|tidy|pristine|immaculate|great|nice|nicely|gorgeous|luxur\w+|elegant\w*|"
    r"stockings|skirts?|sexy|sensual|seductive|swimsuits?|bras?|panties|corset|"
    r"display\w*|showrooms?|showcas\w+|tiny|miniature|giant|zoo|zoos|circus|cages?|caged|enclosures?|exhibits?|"
    r"aquarium|"
    r"advertis\w+|collage|photoshop\w*|swim\w*|floating|flying|commercial jet|runway|airport|"
    r"signs? (?:that|which|says?|saying|reading|with)|kiss\w*|hug\w*|danc\w+|pray\w*|funeral|"
    r"photos?|photograph\w*|pictures?|pictured|images?|reflect\w*|plastic|close-?up|old (?:people|"
    r"couple|men|women)|elderly|hospital|doctors?|nurses?|medic\w+|vet|veterinar\w+|"
    r"bananas? (?:hammock|phone))\b"
)
# A first noun phrase: with an article or a number, or a plural.
_SUBJECT = re.compile(
    rf"(?:(?:there (?:is|are)|this is|here is) )?(?:{DET}|{NUMBER}|many|various|multiple|"
    r"(?:group|couple|pair|bunch|lots?) of)\b|"
    r"(?:[a-z]+ ){0,2}(?:people|men|women|cattle|(?!this|was|has|its|sits|stands|walks|"
    r"looks|lays|lies|rides|holds|hangs|shows|has|does|leads)[a-z]{2,}[a-hj-rtv-z]s)\b"
)
_ARTICLE = r"(?:an?|the)"
_LINKS = (
    r"of|and|or|in|on|at|to|with|by|for|from|near|next|over|under|behind|beside|is|are|that|which|"
    r"while|as|a|an|the|his|her|their|its|into|onto|very|some|between|has|have|there|who"
)
_BROKEN = re.compile(
    r"\b(\w+) \1\b|"  # a doubled word
    rf"\b{_ARTICLE} (?:{_ARTICLE}|of|and|or|in|on|at|to|with|by|is|are|that|its|his|her)\b|"
    r"\ba (?:[aio]|e(?!uro)|u(?!n[iu]|s|rinal|tility|kulele))\w{2,}|"
    r"\ban (?!hour)[b-df-hj-np-tv-z]\w|"
    r"\b(?:is|are) (?:is|are|an? are)\b|\bthere is (?:two|three|four|many|several|\w+[^su\W]s\b)|"
    r"\bthere are an? (?!few|lot|couple|number|bunch|group|variety|large|pair|row|bowl|small)|"
    r"^(?:an?|one|the) (?:man|woman|person|cat|dog|bus|car|vase|laptop) (?:are|sit|stand|walk|"
    r"ride|lay|lie|"
    r"look|have|hold)\b|\b(?:men|women|people) (?:is|sits|stands|walks|rides|lays|lies|has|was)\b|"
    r"\b(?:two|three|four|several|many) (?:man|woman|person|cat|dog|bus|car|plate|bowl|laptop|cow|"
    r"zebra|elephant|giraffe|horse|bench|bottle|vase|umbrella|motorcycle|bike)\b|"
    rf"(?:^|[\s,])(?:{_LINKS})[\s.]*$|"  # ends in the middle
    r"^(?:in|on|at|of|with|and|to|by|from|for|near|next|under|over|is|are|it|its|i|we|you|my) |"
    r"\b(?:i|i'm|we|you|your|my|our|us|me)\b|"
    r"\b(?:is|are) (?:places?|tries|sits?|stands?|looks?|walks?|lays?|rides?|tried)\b|"
    r"\b(?:large|small|big|long|tall) of\b|\bgroup (?!of\b)|"
    r"\ba (?:two|three|four|many|several|some|his|her)\b|"
    r"\bits (?:an?|the|not|is|raining|so|very)\b|"
    r"\b(?:no (?:image|picture|photo|caption)|unable to|not|caption|something|stuff|thing|"
    r"image of|not shown|unknown|weird|etc|ect)\b"
)
_SIGNS = re.compile(r"[^a-z0-9 ,.'\u2019-]")
_INNER_END = re.compile(r"[.]\s*\w|,\s*,|\s-\s|-$|,[\s.]*$|\.\.")
_LEAST_WORDS = 5


def scene_problem(caption: str) -> str | None:
    """Return why the rules leave a caption alone: `mentions_minors`, `broken_caption`, `odd_scene`.

    A broken caption is no whole description of one scene: a fragment, a doubled word, an unbalanced
    quote, a wrong article, a misspelt word, capitals only, several sentences.
    """
    if may_show_minors(caption):
        return MINORS
    text = caption.lower()
    # A few characters change length in lower case, which would shift places in the caption.
    if len(text) != len(caption) or caption.isupper() or _is_broken(text):
        return BROKEN
    return ODD if _ODD.search(text) else None


def traits(caption: str) -> frozenset[Trait]:
    """Return what a caption mentions.

    >>> sorted(traits("A cat sleeps on a kitchen table"))
    ['animal', 'kitchen']
    """
    text = caption.lower().replace("hot dog", "sausage").replace("hotdog", "sausage")
    return frozenset(trait for trait, words in _HAS.items() if words.search(text))


def _is_broken(text: str) -> bool:
    return (
        len(text.split()) < _LEAST_WORDS
        or misspelt(text)
        or _SIGNS.search(text) is not None
        or _INNER_END.search(text.strip()) is not None
        or _BROKEN.search(text) is not None
        or _SUBJECT.match(text) is None
    )
