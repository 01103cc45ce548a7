"""Unconditional exclusions: text that sexualises minors, and images on a list.

The rule is deliberately blunt: a word for minors and a sexual word in one text. It reads English
only and also drops harmless captions. Matches are counted, never stored, and never sent to an
editor.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path

from nsfwcaps.errors import InputError

# Words are stored as digests so that the lists cannot be read. `_digest` computes them.
_SEXUAL_WORDS = (
    "058c163a 0921d2e4 0985721d 13340cf0 1a24f9a6 1bdb42dc 1beae8c3 1c3b938b 1c3e065a "
    "280d8ddf 2a3fa6be 2b97ae47 2dbe1349 2e3c7d8e 388ee641 3a707c91 44a4810c 495e60fa "
    "4e3226e5 63f219b7 6853321a 76fcd889 79d18a39 7d810215 7e312acc 7f171bc3 80993661 "
    "85e950ec 87f684c7 896cf1ac 8a46fd62 8bcffa41 9c88724b a05586bc a8f44abf aa8adb23 "
    "ab0e1d85 ad729ad2 ae955ae2 bc354236 c01c5a96 c33f96a2 c498561c c706ab48 c816f135 "
    "cc2abcc1 cca4a3f0 cf01b9ac d0a97667 d31c005a d499e055 d660f8b2 db85505b def31f94 "
    "e54a7d75 ec412b12 ed57b277"
)
_MINORS_WORDS = (
    "0f04b63d 2bcbe8a4 3cabda6a 66fd8567 7827b6cb 861f239e a800c170 ac1e7ed9 dcc41a9d ec9d3da9"
)
_SEXUAL = frozenset(_SEXUAL_WORDS.split())
_OF_MINORS = frozenset(_MINORS_WORDS.split())
_NUMBER = (
    r"(?:1[0-7]|[1-9]|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|"
    r"fourteen|fifteen|sixteen|seventeen)"
)
_AGES = (
    rf"(?<![\d.]){_NUMBER}[ -]*(?:years?|yrs?\.?)[ -]*olds?|(?<![\d.]){_NUMBER}[ -]?y\.?[ /-]?o\.?|"
    r"(?:\d+|[a-z]+)[ -](?:months?|weeks?)[ -]olds?|"
    rf"(?:aged?|age of|boys? of|girls? of|under) {_NUMBER}(?! (?:years (?:ago|later)|a|the|to))"
)
_MINORS = re.compile(
    r"\b(?:(?:grand|god|step|school|foster)?child\w*|(?:grand|school)?kid(?:s|do|dos|dy|die|"
    r"dies)?|(?:school|tom|page|choir|altar|play)?boy(?:s|ish|hood)?|school ?girl\w*|"
    r"girl(?:s|ie|y|ish|hood)?|bab(?:y|ies|yish)|toddlers?|infan(?:t|ts|cy|tile)|newborns?|"
    r"teen\w*|(?:pre-?)?(?:teen|tween)\w*|minors?|under-?age\w*|(?:pre-?)?adolescen\w+|"
    r"(?:pre-?)?pube(?:rty|scent\w*)|juveniles?|youngsters?|pupils?|kindergart\w+|"
    rf"pre-?school\w*|{_AGES})\b"
)
_MIXED = re.compile(r"\b(?=\w*[a-z])(?=\w*[\d@$])[\w@$]{3,}")
"""A word with digits among its letters, as in `k1ds`."""
_LETTERS = tuple(str.maketrans("013457@$", f"o{one}eastas") for one in "il")
_WORD = re.compile(r"[a-z]+")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_ENDINGS = ("", "s", "es", "ed", "d", "ing", "ly")


def excluded(text: str) -> bool:
    """Tell whether a text sexualises minors, by the rule above."""
    return may_show_minor(text) and has_sexual_word(text)


def has_sexual_word(text: str) -> bool:
    """Tell whether a text has a word of the list of sexual words."""
    return any(_is_of(_SEXUAL, word) for word in _WORD.findall(_fold(text)))


def may_show_minor(caption: str) -> bool:
    """Tell whether a caption mentions minors; no image of it is drawn in any category."""
    return mentions_minor(_fold(caption))


def mentions_minor(folded: str) -> bool:
    """Tell whether a folded text has a word for minors."""
    words = _WORD.findall(folded)
    hidden = [word.translate(letters) for word in _MIXED.findall(folded) for letters in _LETTERS]
    return any(_MINORS.search(text) for text in (folded, *hidden)) or any(
        _is_of(_OF_MINORS, word) for word in words
    )


def image_hashes(paths: Sequence[str]) -> frozenset[str]:
    """Read SHA-256 digests of images from files: one at the start of each line.

    Raises:
        InputError: a file is unreadable, or a line does not start with a digest.
    """
    found: set[str] = set()
    for path in paths:
        try:
            lines = Path(path).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            raise InputError(f"{path}: cannot be read as a list of SHA-256 digests") from None
        for number, line in enumerate(lines, start=1):
            word = line.partition("#")[0].strip().lower().split(" ")[0]
            if word and not _SHA256.fullmatch(word):
                raise InputError(f"{path}: line {number} does not start with a SHA-256 digest")
            found |= {word} - {""}
    return frozenset(found)


def _fold(text: str) -> str:
    """Case-fold, and remove accents and invisible characters."""
    decomposed = unicodedata.normalize("NFKD", text).casefold()
    return "".join(sign for sign in decomposed if unicodedata.category(sign) not in ("Mn", "Cf"))


def _is_of(digests: frozenset[str], word: str) -> bool:
    return any(_digest(stem) in digests for stem in _stems(word))


def _stems(word: str) -> Iterator[str]:
    for ending in _ENDINGS:
        if word.endswith(ending):
            stem = word.removesuffix(ending)
            yield stem
            yield f"{stem}e"


def _digest(word: str) -> str:
    return hashlib.blake2b(word.encode(), digest_size=4).hexdigest()
