"""Words that the rules do not know: misspelt ones, and with them rare words and names.

Known are the words of two vocabularies that the encoders bring along, in any common form: MiniLM's
and CLIP's, which was made of captions. An edit of a misspelt caption is no better than its source.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from pathlib import Path

from nsfwcaps.encoders.token_counts import clip_words, minilm_folder

_WORD = re.compile(r"[a-z]+")
_ENDINGS = ("ed", "ing", "er", "ers", "y", "ly", "est", "en", "ful", "less", "able")
_PART = 4
"""Letters of each half of a compound at least."""
_FEWEST = 3
"""Letters of a vocabulary's piece that counts as a word: shorter ones are mostly parts of words."""
_SHORT_WORDS = (
    "a an in on at of to by is it up as or he be us no go do so if we my me am i tv pc rv suv cd "
    "dj vs ad st ft mr dr ox t s d ll re ve m o uk"
)
_SHORT = frozenset(_SHORT_WORDS.split())
_APART_WORDS = "other with from that this outside inside near next over under into onto front"
_APART = frozenset(_APART_WORDS.split())
"""Words that are no second half: a space is missing before them."""
# In CLIP's vocabulary, which has hashtags and slips of the pen.
_SLIP_WORDS = "alot infront mna theres whit dont cant wont thats didnt teh"
_SLIPS = frozenset(_SLIP_WORDS.split())


def unknown_words(text: str) -> list[str]:
    """Return the words of a caption that no vocabulary has, in lower case.

    >>> unknown_words("A womna at a talbe with a Frisbee")
    ['womna', 'talbe']

    Raises:
        ModelError: the package with MiniLM's vocabulary is not installed.
    """
    plain = unicodedata.normalize("NFKD", text.lower().replace("\u2019", "'"))
    bare = "".join(sign for sign in plain if not unicodedata.combining(sign))
    return [word for word in _WORD.findall(bare.replace("'s", "")) if not _is_known(word)]


@cache
def _is_known(word: str) -> bool:
    if word in _SLIPS:
        return False
    words = _words()
    if word in _SHORT or any(len(form) >= _FEWEST and form in words for form in _forms(word)):
        return True
    whole = _parts()
    parts = [(word[:at], word[at:]) for at in range(_PART, len(word) - _PART + 1)]
    return any(
        first in whole and second in whole and not (first.endswith("ing") or second in _APART)
        for first, second in parts
    )


def _forms(word: str) -> list[str]:
    """Return a word and the words that it may be a plural or another form of."""
    forms = [
        word,
        word[:-1] if word.endswith("s") else "",
        word[:-2] if word.endswith("es") else "",
    ]
    forms.append(word[:-3] + "y" if word.endswith("ies") else "")
    for ending in _ENDINGS:
        if word.endswith(ending):
            stem = word.removesuffix(ending)
            doubled = len(stem) > _FEWEST and stem[-1] == stem[-2]
            forms += [stem, stem + "e", stem[:-1] if doubled else ""]
            forms.append(stem[:-1] + "y" if stem.endswith("i") else "")
    return forms


@cache
def _words() -> frozenset[str]:
    return _parts() | clip_words()


@cache
def _parts() -> frozenset[str]:
    """Return words that may be half of a compound: MiniLM's, and everyday ones that it lacks."""
    pieces = (minilm_folder() / "vocab.txt").read_text(encoding="utf-8").split("\n")
    more = Path(__file__).with_name("everyday.txt").read_text(encoding="utf-8").split()
    return frozenset(piece for piece in pieces if len(piece) >= _FEWEST and piece.isalpha()) | {
        *more
    }
