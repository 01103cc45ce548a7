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
    r"inside|behind|along|during|before|surrounded|filled|covered|topped|looking|facing)\b)"
)
END = r"(?=[\s.!]*$)"

TABLE = r"(?:table|desk|counter|countertop|counter top|tray|bar)"
SURFACE = (
    rf"(?:{TABLE}|tabletop|bench|bed|couch|sofa|shelf|chair|armchair|ottoman|nightstand|dresser|"
    r"mantle|windowsill|window sill|cutting board|tablecloth|placemat|blanket|kitchen island|"
    r"cabinet|stool|futon|recliner)"
)
GROUND = (
    r"(?:floor|ground|sidewalk|pavement|grass|carpet|rug|lawn|concrete|dirt|sand|porch|patio|deck|"
    r"steps|stairs|doorstep|dock|pier)"
)
ROOM = (
    r"(?:kitchen|bathroom|restroom|living room|bedroom|dining room|room|office|garage|hallway|"
    r"basement|lobby|restaurant|cafe|library|workshop|closet|living area|kitchen area|"
    r"dining area|store|shop|bakery|diner|apartment|cubicle|warehouse|barn)"
)
FURNITURE = (
    r"(?:tables?|desk|counter|bed|couch|sofa|sink|toilet|window|refrigerator|fridge|stove|oven|"
    r"bathtub|tub|shower|chair|fireplace|lamp|mirror|cabinet|dresser|bookshelf|shelf)"
)
THINGS = (
    r"(?:plates?|food|bowls?|cups?|mugs?|coffee|glass|glasses|wine|beers?|bottles?|vases?|flowers?|"
    r"roses|tulips|cakes?|pizzas?|sandwich(?:es)?|salads?|fruits?|bananas?|apples?|oranges?|pears|"
    r"laptops?|computers?|keyboards?|monitors?|phones?|cellphones?|books?|notebooks?|lamps?|clocks?|"
    r"remotes?|controllers?|cats?|kittens?|dogs?|puppy|puppies|bags?|backpacks?|purses?|suitcases?|"
    r"luggage|box(?:es)?|baskets?|trays?|pans?|pots?|vegetables|broccoli|carrots|meat|bread|cheese|"
    r"donuts?|doughnuts?|hot dogs?|candles?|pillows?|blankets?|umbrellas?|hats?|shoes?|magazines?|"
    r"papers?|newspapers?|dish(?:es)?|meals?|drinks?|soup|pasta|dessert|pastr(?:y|ies)|cookies?|"
    r"toast|fries|teapot|kettle|blender|microwave|toaster|scissors|pens?|pencils|cameras?|plants?|"
    r"juice|soda|milk|tv|television|printer|speakers?|stuffed animals?|teddy bears?)"
)
STREET = (
    r"(?:street|road|sidewalk|side walk|alley|highway|parking lot|lot|driveway|intersection|"
    r"crosswalk|bridge|curb|buildings?|house|garage|church|hotel|shop|store|restaurant|bus stop|"
    r"train station|gas station|parking meter|fire hydrant|traffic light|stop sign|park|city|town|"
    r"village|market)"
)
NATURE = (
    r"(?:field|pasture|meadow|forest|woods|hill|hillside|beach|desert|plains?|savannah|trees?|"
    r"grass|grassland|valley|shore|trail|path|dirt road|bushes|brush|yard|farm|dirt|sand|rocks?|"
    r"park|snow|mountains?)"
)
WHERE = (
    r"(?:down|along|on|in|across|through|up|near|by|beside|at|past|behind|next to|in front of|"
    r"outside|outside of|on the side of|at the side of|on the edge of|in the middle of|"
    r"at the corner of|under|alongside)"
)
ADULT = (
    r"(?:man|woman|person|guy|lady|gentleman|worker|waiter|chef|cook|shopper|driver|passenger|"
    r"customer|tourist|commuter|pedestrian|businessman|vendor|farmer|rider)"
)
ADULTS = r"(?:men|women|people|guys|ladies|adults|workers|passengers|shoppers|tourists|friends)"

STANDS = (
    r"(?:sitting|sits|sit|sat|is|are|placed|resting|rests|rest|laying|lying|lays|lies|lay|laid|"
    r"set|arranged|displayed|perched|standing|stands|left|stacked|piled|sleeping|asleep|sleeps|"
    r"located|seated|relaxing|relaxes|lounging|positioned|napping|spread out|laid out)"
)
VERB = (
    r"(?:is|are|was|were|sits?|stands?|walks?|rides?|looks?|waits?|poses?|leans?|talks?|uses?|"
    r"works?|drives?|crosses|eats?|drinks?|reads?|cooks?|prepares?|cuts?|makes?|holds?|"
    r"(?!wing|king|evening|morning|building|wearing|dressed)[a-z]{2,}ing)"
)
MOVES = re.compile(
    r"\b(?:driv(?:es?|ing)|walk(?:s|ing)?|rid(?:es?|ing)|travel(?:s|ing|ling)?|mov(?:es?|ing)|"
    r"runs?|running|stroll(?:s|ing)?|cycling|jogging|rolling|heading)\b"
)

# A hazard beside sport, play or a work of art reads as a joke.
ODD = re.compile(
    r"\b(?:tennis|baseball|surf\w*|ski\w*|snowboard\w*|skat\w*|frisbee|soccer|football|basketball|"
    r"volleyball|cricket|kites?|batter|pitcher|umpire|catcher|bats?|ball|racquets?|rackets?|games?|discs?|"
    r"wii|police\w*|officers?|soldiers?|statues?|paintings?|drawings?|cartoon|wedding|bride|groom)\b"
)
MINORS = re.compile(
    r"\b(?:child\w*|kids?|boys?|girls?|bab(?:y|ies)|toddlers?|infants?|teen\w*|students?|sons?|"
    r"daughters?|famil(?:y|ies)|mothers?|fathers?|mom|dad|parents?|school\w*|little league)\b"
)
# Boats and aeroplanes do not park beside the elements of a street.
CRAFT = re.compile(
    r"\b(?:boats?|ships?|(?:air|sea)?planes?|jets?|jetliners?|helicopters?|aircraft|trains?)\b"
)
INDOORS = re.compile(
    r"\b(?:indoors?|inside|toilet|bathroom|kitchen|sink|zoo|flying|floating|swim\w*)\b"
)
