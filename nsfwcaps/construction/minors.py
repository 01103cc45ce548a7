"""Captions that may show minors: no editor adds a hazard to them, whatever the category.

The rule is broad on purpose: a word for a child, a relative or a school is enough, and so is
`young`. It reads English only.
"""

from __future__ import annotations

import re

from nsfwcaps.construction.exclusion import may_show_minor

_WORDS = re.compile(
    r"\b(?:young\w*|youth\w*|little (?:one|league|guy|man|lady|person|people)s?|"
    r"tots?|lads?|lass(?:es)?|sons?|daughters?|grand(?:son|daughter|kid)s?|nephews?|nieces?|"
    r"brothers?|sisters?|siblings?|twins|triplets|famil(?:y|ies)|"
    r"(?:grand)?(?:mother|father|parent)s?|mom(?:s|my|mies)?|mum(?:s|my|mies)?|mama|"
    r"dad(?:s|dy|dies)?|papa|school\w*|pre-?school\w*|class(?:es|room\w*|mates?)?|students?|"
    r"playgrounds?|play ?rooms?|nurser(?:y|ies)|day ?care|cribs?|cradle|strollers?|pram|"
    r"high ?chairs?|pacifier|diapers?|bunk ?beds?|birthday\w*|graduat\w+|prom|scouts?|"
    r"toys?|dolls?|teddy|teddies|stuffed (?:animal|bear|toy|dog|cat|rabbit)s?|"
    r"see-?saws?|carousel|merry-go-round|tricycles?|santa)\b",
    re.IGNORECASE,
)


def may_show_minors(caption: str) -> bool:
    """Tell whether a caption is about minors, or about what is usually theirs.

    >>> may_show_minors("Two students at a desk"), may_show_minors("A man at a desk")
    (True, False)
    """
    return may_show_minor(caption) or _WORDS.search(caption) is not None
