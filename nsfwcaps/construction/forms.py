"""Captions that the rules do not edit, sound as they may be: their grammar is a small one.

A form that the grammar was not written for, a word that it does not know, or a scene beside which
a hazard reads as a joke or is misread. Editors that are models are not held to any of this.
"""

from __future__ import annotations

import re

from nsfwcaps.construction.english import DET, NUMBER
from nsfwcaps.construction.spelling import unknown_words

FORM = "unknown_form"
WORD = "unknown_word"
SCENE = "unsuited_scene"

_LEAST_WORDS = 5

# A first noun phrase: with an article or a number, or a plural.
_SUBJECT = re.compile(
    rf"(?:(?:there (?:is|are)|this is|here is) )?(?:{DET}|{NUMBER}|many|various|multiple|"
    r"(?:group|couple|pair|bunch|lots?) of)\b|"
    r"(?:[a-z]+ ){0,2}(?:people|men|women|cattle|(?!this|was|has|its|sits|stands|walks|"
    r"looks|lays|lies|rides|holds|hangs|shows|has|does|leads)[a-z]{2,}[a-hj-rtv-z]s)\b"
)
_PREPOSITIONS = r"in|on|at|of|with|and|to|by|from|for|near|next|under|over|behind|beside|into|onto"
_UNKNOWN_FORM = re.compile(
    rf"^(?:{_PREPOSITIONS}|is|are|it|its) |"
    rf"(?:^|[\s,])(?:{_PREPOSITIONS}|is|are|as|that|some|between|has|have|there|who)[\s.]*$|"
    # A remark, rather than a description.
    r"\b(?:i|i'm|we|you|your|my|our|us|me|it's|let's|not|caption|some(?:thing|body)|stuff|thing|"
    r"unknown|weird|etc|ect)\b|"
    # Agreement that is not written so, or that the grammar misreads.
    r"\b(\w+) \1\b|\bthere is (?:two|three|four|many|several|\w+[^su\W]s\b)|"
    r"\bthere are an? (?!few|lot|couple|number|bunch|group|variety|large|pair|row|bowl|small)|"
    r"^(?:an?|one|the) (?:man|woman|person|cat|dog|bus|car|vase|laptop) (?:are|sit|stand|walk|"
    r"ride|lay|lie|look|have|hold)\b|(?<!of )\bpeople (?:is|sits|stands|walks|rides|lays|lies|"
    r"has|was)\b|\b(?:is|are) (?:sits?|stands?|looks?|walks?|lays?|rides?|tried)\b|\bsmall of\b|"
    r"\bgroup (?!of\b)|\ba (?:two|three|four|many|several|some|his|her)\b|"
    r"\bits (?:an?|the|not|is|raining|so|very)\b"
)
_OTHER_SIGNS = re.compile(r"[^\w ,.'\u2019-]|_")
_SEVERAL_SENTENCES = re.compile(r"[.]\s*\w|,\s*,|\s-\s|-$|,[\s.]*$|\.\.")

# Beside sport, play, a work of art or a feast, a hazard reads as a joke.
_SPORT = (
    r"tennis|baseball|surf(?!ace)\w*|skis?|skier\w*|skiing|snow ?board\w*|skat\w*|frisbees?|soccer|"
    r"football|basketball|volleyball|cricket|rugby|polo|golf\w*|bowling|hockey|rodeo|races?|"
    r"racing|kites?|batter|pitch\w*|umpire|catcher|bats?|batting|balls?|racquets?|rackets?|sports?|"
    r"games?|gaming|discs?|wii|nintendo|remotes?|controllers?|play(?:s|ing|ers?|ed)?|contest|"
    r"competi\w+|jump\w*|tricks?|stunts?|swim\w*|para-?sail\w*|kayak\w*|raft\w*|div(?:er|ers|ing)"
)
_FEAST = (
    r"parade|festival|concert|costumes?|masks?|halloween|weddings?|brides?|groom|part(?:y|ies)|"
    r"christmas|holidays?|celebrat\w+|kiss\w*|hug\w*|danc\w+|pray\w*|funeral|zoos?|circus|cages?|"
    r"caged|enclosures?|exhibits?|aquarium|museums?|display\w*|showrooms?|showcas\w+"
)
_ART = (
    r"statues?|sculptur\w+|paint(?:ing|ings|ed)|drawings?|drawn|cartoons?|murals?|posters?|art|"
    r"artistic|mannequins?|figurines?|models?|fake|plastic|miniature|tiny|giant|advertis\w+|"
    r"collage|photoshop\w*|photos?|photograph\w*|pictures?|pictured|images?|reflect\w*|close-?up|"
    r"signs? (?:that|which|says?|saying|reading|with)|bananas? (?:hammock|phone)"
)
# Praise, and people who are at ease, contradict a hazard.
_MOOD = (
    r"smil(?:e|es|ing)|happ(?:y|ily)|laugh\w*|cute|adorable|beautiful\w*|lovely|pretty|charming|"
    r"stylish|fun|funny|silly|joy\w*|cheer\w*|peaceful\w*|serene|romantic|delicious|tasty|yummy|"
    r"clean|spotless|tidy|pristine|immaculate|great|nice|nicely|gorgeous|luxur\w+|elegant\w*|skirts?"
)
# A weapon is expected beside a uniform, and some words have a second, violent sense.
_MISREAD = (
    r"shoot\w*|shots?|killer|hit(?:s|ting)?|swing\w*|strik\w+|aim\w*|bomb|police\w*|officers?|cops?|"
    r"soldiers?|military|army|navy|guards?|fire ?(?:fighters?|m[ae]n|trucks?)|uniform\w*|floating|"
    r"flying|commercial jet|runway|airport"
)
# People who are not to be made victims or a threat.
_FRAIL = (
    r"handicapped|wheelchairs?|blind|homeless|old (?:people|couple|m[ae]n|wom[ae]n|lady|ladies)|"
    r"elderly|hospital|doctors?|nurses?|medic\w+|vet|veterinar\w+"
)
_UNSUITED = re.compile(rf"\b(?:{_SPORT}|{_FEAST}|{_ART}|{_MOOD}|{_MISREAD}|{_FRAIL})\b")


def not_edited(caption: str) -> str | None:
    """Return why the rules leave a sound caption alone, or None if they may edit it.

    `unknown_form`, `unknown_word` or `unsuited_scene`, the first that holds.

    >>> not_edited("Woman reading"), not_edited("A man in a tiny boat on a lake")
    ('unknown_form', 'unsuited_scene')
    """
    text = caption.lower()
    # A few characters change length in lower case, which would shift places in the caption.
    if len(text) != len(caption) or caption.isupper() or not _is_of_the_grammar(text):
        return FORM
    if unknown_words(text):
        return WORD
    return SCENE if _UNSUITED.search(text) else None


def _is_of_the_grammar(text: str) -> bool:
    return (
        len(text.split()) >= _LEAST_WORDS
        and _OTHER_SIGNS.search(text) is None
        and _SEVERAL_SENTENCES.search(text.strip()) is None
        and _UNKNOWN_FORM.search(text) is None
        and _SUBJECT.match(text) is not None
    )
