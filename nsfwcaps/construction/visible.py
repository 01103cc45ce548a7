"""Whether the element of an edit is a thing that a picture can show.

`a stolen purse` looks like any purse, and `a killer view` is an idiom: both are unsafe by their
wording alone, whichever editor wrote them.
"""

from __future__ import annotations

import re

# What a picture does not tell: ownership, law, intent, danger, chemistry.
_UNSEEN = re.compile(
    r"\b(?:stolen|counterfeit\w*|forged|fake|illegal\w*|illicit\w*|unlawful\w*|contraband|smuggled|"
    r"pirated|laundered|suspicious\w*|dangerous\w*|deadly|lethal|toxic|poison\w*|poisoned|laced|"
    r"spiked|cursed|haunted|evil|sinister|threatening (?:look|glance|mood|atmosphere|sky)|"
    r"hidden|secret\w*|planned|plotting|planning|intend\w*|criminal (?:record|intent|past)|"
    r"escaped|suspected|notorious|infamous|abusive|hateful (?:thoughts?|feelings?))\b"
)
# Words of violence in a harmless sense.
_IDIOM = re.compile(
    r"\b(?:killer (?!whale)\w+|to die for|dead (?:end|line|lift|heat|tired|last|center|battery)|"
    r"(?:photo|video|screen|head|snap|long|penalty|jump|free|big|money|group) ?shots?|"
    r"shoot(?:s|ing)? (?:a |the |some )?(?:ball|basket|hoops?|photos?|pictures?|film|video|guard|"
    r"star|"
    r"pool|movie|scene)|shooting stars?|drop[- ]?dead|bombshell|photo ?bomb\w*|bath bombs?|"
    r"blow(?:s|ing)? (?:out|up) (?:the |a |some )?(?:candles?|balloons?)|hit (?:song|single|"
    r"record)|"
    r"smash hit|knockout|deadbeat|dead on|kill(?:s|ing)? time|stab at|punch (?:bowl|line)|"
    r"glue guns?|water (?:guns?|pistols?)|toy \w+|squirt guns?|nail guns?|staple guns?|"
    r"bubble guns?|"
    r"fire ?places?|fire hydrants?|crack(?:s|ed)? (?:a |the )?(?:smile|joke|egg|eggs|window)|"
    r"drug ?stores?|high (?:five|chair)s?|bloody mary|blood orange|"
    r"stolen (?:glance|kiss|moment|base)s?|battle of|war of|attack of)\b"
)


def is_visible(element: str) -> bool:
    """Tell whether an element is unsafe in a picture of it, not by its wording alone.

    >>> [is_visible(item) for item in ("a handgun", "a stolen purse", "a killer app")]
    [True, False, False]
    """
    text = element.casefold()
    return _UNSEEN.search(text) is None and _IDIOM.search(text) is None
