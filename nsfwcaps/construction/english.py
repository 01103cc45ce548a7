"""English patterns for the insertion grammar, all for lower-case text."""

from __future__ import annotations

import re

DET = r"(?:a|an|the|one|some|his|her|their|this|that|my|another)"
NUMBER = r"(?:two|three|four|five|six|several|some|many|a few|\d+)"
# Words of a noun phrase before its noun, excluding words that would end the phrase.
WORDS = (
    r"(?:(?!(?:of|and|or|in|on|at|to|with|by|for|from|near|next|over|under|behind|beside|is|are|"
    r"that|which|while|as|a|an|the|his|her|their|its)\b)[\w'-]+ ){0,3}?"
)
# What may follow a noun that is not part of a longer compound.
AFTER_NOUN = (
    r"(?=\s*$|\s*[.,;]|\s+(?:with|in|near|next|beside|by|at|and|while|that|which|for|under|outside|"
    r"inside|behind|along|during|before|across|surrounded|filled|covered|topped|looking|facing)\b)"
)
END = r"(?=[\s.!]*$)"

TABLE = r"(?:table|desk|counter|countertop|counter top|coffee table|kitchen island|nightstand)"
SURFACE = (
    rf"(?:{TABLE}|tabletop|bed|couch|sofa|shelf|armchair|ottoman|dresser|mantle|windowsill|"
    r"window sill|tablecloth|blanket|cabinet|futon)"
)
# Where someone who rests leaves room for a thing.
ROOMY = r"(?:bed|couch|sofa|blanket|futon|comforter|mattress)"
GROUND = (
    r"(?:ground|sidewalk|pavement|grass|lawn|concrete|dirt|porch|patio|deck|bench|park bench|"
    r"steps|curb)"
)
ROOM = (
    r"(?:kitchen|bathroom|restroom|living room|bedroom|dining room|room|office|garage|hallway|"
    r"basement|library|closet|living area|kitchen area|dining area|apartment|warehouse)"
)
FURNITURE = (
    r"(?:tables?|desk|counter|bed|couch|sofa|sink|toilet|window|refrigerator|fridge|stove|oven|"
    r"bathtub|tub|shower|chair|fireplace|lamp|mirror|cabinet|dresser|bookshelf|shelf)"
)
THINGS = (
    r"(?:plates?|food|bowls?|cups?|mugs?|coffee|glass|glasses|wine|beers?|bottles?|vases?|flowers?|"
    r"roses|tulips|cakes?|pizzas?|sandwich(?:es)?|salads?|fruits?|bananas?|apples?|oranges?|pears|"
    r"laptops?|computers?|keyboards?|monitors?|phones?|cellphones?|books?|notebooks?|lamps?|"
    r"clocks?|"
    r"remotes?|controllers?|cats?|kittens?|dogs?|puppy|puppies|bags?|backpacks?|purses?|suitcases?|"
    r"luggage|box(?:es)?|baskets?|trays?|pans?|pots?|vegetables|broccoli|carrots|meat|bread|cheese|"
    r"donuts?|doughnuts?|hot dogs?|candles?|pillows?|blankets?|umbrellas?|hats?|shoes?|magazines?|"
    r"papers?|newspapers?|dish(?:es)?|meals?|drinks?|soup|pasta|dessert|pastr(?:y|ies)|cookies?|"
    r"toast|fries|teapot|kettle|blender|microwave|toaster|scissors|pens?|pencils|cameras?|plants?|"
    r"juice|soda|milk|tv|television|printer|speakers?|stuffed animals?|teddy bears?)"
)
ROAD = (
    r"(?:street|road|sidewalk|side walk|alley|parking lot|lot|driveway|intersection|crosswalk|"
    r"curb|city|town|bus stop|parking space|parking spot)"
)
BUILDING = r"(?:buildings?|house|garage|hotel|shop|store|restaurant|gas station|apartment building)"
NATURE = (
    r"(?:field|pasture|meadow|forest|woods|hill|hillside|beach|desert|plains?|savannah|grass|"
    r"grassland|valley|shore|trail|path|dirt road|farm|grassy field|grassy area|grassy hill)"
)
HIS = r"(?:man|guy|gentleman|businessman)"
HERS = r"(?:woman|lady|businesswoman)"
THEIRS = r"(?:person|pedestrian|commuter|shopper|cyclist|biker|tourist)"
ADULT = (
    rf"(?:{HIS}|{HERS}|{THEIRS}|worker|waiter|chef|cook|driver|passenger|customer|vendor|"
    r"farmer|rider)"
)
ADULTS = r"(?:men|women|people|guys|ladies|adults|workers|passengers|shoppers|tourists|friends)"
UPRIGHT = (
    r"(?:standing|stands|walking|walks|riding|rides|leaning|leans|crossing|crosses|waiting|waits|"
    r"looking|looks|posing|poses)"
)
STILL = r"(?:sitting|sits|laying|lays|lying|lies|sleeping|sleeps|seated|relaxing|resting|asleep)"
# Of someone with no hand left for a thing.
BUSY = re.compile(
    r"\b(?:hold\w*|carr(?:y|ies|ying)|hands?|phones?|cell ?phones?|eat\w*|drink\w*|rid(?:es?|ing)|"
    r"us(?:es?|ing)|driv\w+|push\w*|pull\w*|read\w*|cut\w*|throw\w*|tak(?:es?|ing)|mak(?:es?|ing)|"
    r"umbrellas?|feed\w*|pet(?:s|ting)?|laptops?|computers?|talk\w*|text\w*|typ(?:es?|ing)|arms?|"
    r"bikes?|bicycles?|motorcycles?|leash|luggage|suitcases?|bags?|cook\w*|prepar\w+|wash\w*|"
    r"horses?|elephants?|lean\w*|cross\w*|touch\w*|writ\w+|work\w*|wip\w+|clean\w*|selling|sells)\b"
)
HANDHELD = (
    r"(?:(?:cell |mobile )?phone|cellphone|umbrella|cup|mug|cup of coffee|glass of wine|wine glass|"
    r"glass|bottle|beer|drink|banana|apple|donut|doughnut|sandwich|hot dog|camera|book|newspaper|"
    r"purse|briefcase|toothbrush|bottle of water|bottle of wine|coffee)"
)

STANDS = (
    r"(?:sitting|sits|sit|sat|is|are|placed|resting|rests|rest|laying|lying|lays|lies|lay|laid|"
    r"set|arranged|displayed|perched|standing|stands|left|stacked|piled|sleeping|asleep|sleeps|"
    r"located|seated|relaxing|relaxes|lounging|positioned|napping|spread out|laid out)"
)
MOVES = re.compile(
    r"\b(?:driv(?:es?|ing)|(?<!side )walk(?:s|ing)?|rid(?:es?|ing)|travel(?:s|ing|ling)?|"
    r"mov(?:es?|ing)|"
    r"runs?|running|stroll(?:s|ing)?|cycling|jogging|rolling|heading)\b"
)

# Boats and aeroplanes do not park beside the elements of a street.
CRAFT = re.compile(
    r"\b(?:boats?|ships?|(?:air|sea)?planes?|jets?|jetliners?|helicopters?|aircraft|trains?)\b"
)
INDOORS = re.compile(
    r"\b(?:indoors?|inside|toilet|bathroom|kitchen|sink|zoo|flying|floating|swim\w*)\b"
)
