"""Content words: the words of a caption without stop words, case and endings.

Captions are split a column at a time, and each distinct word is looked at once. That takes well
under a microsecond per caption, where a regular expression per caption takes several.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from nsfwcaps.captions.normalize import folded

VERSION = 1
"""Version of the stop words and of the stemmer."""

Ints = npt.NDArray[np.signedinteger[Any]]

_STOP_WORDS = (
    "a an the this that these those some any each every another other such "
    "i me my we us our you your he him his she her hers it its they them their theirs one ones "
    "who whom whose which what where when while as than then so too very just also there here "
    "and or but nor if because "
    "at by for from in inside into of off on onto out outside over to toward towards under up upon "
    "down with within without about above across after against along alongside among around atop "
    "before behind below beneath beside besides between beyond during near next through throughout "
    "am is are was were be been being has have had having do does did doing can could will would "
    "may might must"
)
_STOP = frozenset(_STOP_WORDS.split())
_FEWEST_IN_BAG = 2
_VOWELS = frozenset("aeiouy")
_SHORTEST = 3
"""Letters that an ending leaves at least, counted before a final e is removed."""

# Letters in lower case, digits and the underscore stay; other ASCII becomes a space.
_ASCII = bytes(
    ord(chr(code).lower()) if chr(code).isalnum() or code == ord("_") or code >= 128 else 32
    for code in range(128)
) + bytes(range(128, 256))


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """The words of n captions: t tokens, of v distinct words."""

    words: list[str]
    """Distinct words `[v]`, folded; one may be empty."""
    of: Ints
    """Index `[t]` of each token's word, caption by caption."""
    starts: Ints
    """Position `[n + 1]` of each caption's first token."""

    @cached_property
    def rows(self) -> Ints:
        """Caption `[t]` of each token."""
        count = len(self.starts) - 1
        return np.repeat(np.arange(count, dtype=np.int32), np.diff(self.starts))


def tokens(captions: pa.Array) -> Tokens:
    """Split n normalised captions into folded words, as `fold_key` sees them."""
    other = pc.invert(pc.string_is_ascii(captions))
    if pc.any(other).as_py():
        texts = [folded(text) for text in captions.filter(other).to_pylist()]
        captions = pc.replace_with_mask(captions, other, pa.array(texts, pa.string()))
    # A copy, as a slice would begin within its buffers.
    _, offsets, text = pa.concat_arrays([captions, captions[:0]]).buffers()
    spaced = pa.py_buffer(b"" if text is None else text.to_pybytes().translate(_ASCII))
    lists = pc.ascii_split_whitespace(pa.StringArray.from_buffers(len(captions), offsets, spaced))
    words = lists.flatten().dictionary_encode()
    return Tokens(
        words=words.dictionary.to_pylist(),
        of=words.indices.to_numpy(),
        starts=lists.offsets.to_numpy(),
    )


def bag_keys(split: Tokens) -> npt.NDArray[np.uint64]:
    """Return a key `[n]` of each caption's content words, with repeats, in any order.

    It is 0 for captions of fewer than two content words: too few to recognise a caption by.
    """
    hashes = [hashed(stem) if (stem := content_word(word)) else 0 for word in split.words]
    values = np.array(hashes, np.uint64)[split.of]
    keys = np.zeros(len(split.starts) - 1, np.uint64)
    filled = np.diff(split.starts) > 0
    keys[filled] = np.add.reduceat(values, split.starts[:-1][filled]) if filled.any() else keys[:0]
    keys[np.bincount(split.rows[values != 0], minlength=len(keys)) < _FEWEST_IN_BAG] = 0
    return keys


def content_word(word: str) -> str | None:
    """Return the stem of a folded word, or None for a stop word or a single letter.

    >>> [content_word(word) for word in ("smoking", "smokes", "the", "boxes", "glass")]
    ['smok', 'smok', None, 'box', 'glass']
    """
    if word in _STOP or (len(word) < 2 and word.isascii() and not word.isdigit()):
        return None
    return _stem(word)


def hashed(stem: str) -> int:
    """Return a 64-bit hash of a stem, equal on every machine."""
    return int.from_bytes(hashlib.blake2b(stem.encode(), digest_size=8).digest(), "big")


def _stem(word: str) -> str:
    """Remove s, es, ed and ing, then a final e or the second of two equal consonants."""
    if len(word) <= _SHORTEST or not word.isascii() or not word.isalpha():
        return word
    if word.endswith(("ies", "ied")):
        return word[:-3] + "y"
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
        if word.endswith(("xe", "che", "she", "sse", "zze")):
            word = word[:-1]
    else:
        for ending in ("ing", "ed"):
            rest = word.removesuffix(ending)
            if len(rest) < len(word) and len(rest) >= _SHORTEST and _VOWELS & {*rest}:
                word = rest
                if word[-1] == word[-2] and word[-1] not in "lsz":
                    word = word[:-1]
                break
    return word.removesuffix("e") if len(word) > _SHORTEST else word
