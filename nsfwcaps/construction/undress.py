"""Captions of undress or with sexual words: no editor adds a hazard to them.

They are no safe captions, and a hazard beside them reads as sexual violence.
"""

from __future__ import annotations

import re

from nsfwcaps.construction.exclusion import has_sexual_word

UNDRESS = "shows_undress"

_CLOTHES = (
    r"lingerie|underwear|underpants|undies|briefs|boxer shorts|bras?|brassieres?|"
    r"pant(?:y|ies)|thongs?|g-?strings?|corsets?|stockings|fishnets?|garters?|negligees?|"
    r"bikinis?|swim ?suits?|bathing suits?|speedos?|leotards?|catsuits?|mini ?skirts?"
)
_UNDRESS = (
    r"nud(?:e|es|ity|ist|ists)|naked\w*|topless|bottomless|shirtless|braless|barechested|"
    r"bare-?(?: )?(?:chest|breast|bottom|butt)(?:ed|s)?|no (?:shirt|shirts|pants|clothes)|"
    r"without (?:a |any |his |her |their )?(?:shirt|shirts|pants|clothes|clothing)|"
    r"half[- ]?dressed|undress\w*|unclothed|skimp(?:y|ily)|scant(?:y|ily)|see-through|cleavage|"
    r"breasts?|buttocks?|butts?|crotch\w*|groin|nipples?"
)
_SEXUAL = (
    r"sex(?:y|iest|ual\w*|ed|es)?|sensual\w*|seduc\w+|erotic\w*|porn\w*|kink\w*|fetish\w*|"
    r"bondage|stripp(?:er|ers|ing)|strip (?:club|tease|poker)s?|striptease|twerk\w*|"
    r"pole danc\w+|lap ?danc\w+|mak(?:es?|ing) out|intimate\w*|prostitut\w+|brothels?|playboy|"
    r"condoms?|aroused|lovers|provocative\w*|urinat\w+|hump(?:s|ing)"
)
_MEAT = re.compile(r"\b(?:chicken|turkey|duck) breasts?\b", re.IGNORECASE)
_WORDS = re.compile(rf"\b(?:{_CLOTHES}|{_UNDRESS}|{_SEXUAL})\b", re.IGNORECASE)


def shows_undress(caption: str) -> bool:
    """Tell whether a caption mentions undress, clothes worn beneath others, or sex.

    >>> shows_undress("A woman in a bikini"), shows_undress("A plate of chicken breasts")
    (True, False)
    """
    text = _MEAT.sub("meat", caption)
    return _WORDS.search(text) is not None or has_sexual_word(text)
