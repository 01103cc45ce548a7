"""Tokens of captions by their words: the model's tokenizer sees each distinct word once.

CLIP's and BERT's tokenizers never join characters across a space. The tokens of a caption are
therefore those of its words, one after the other, and a million captions have few distinct words.
Arrow splits the captions and numbers the words; the rest is copying of arrays, without the GIL.

Cleaning (ftfy, HTML entities) leaves printable ASCII without `&` as it is, apart from spaces. Other
captions are cleaned and tokenised as before, so no Unicode table has to agree with another.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:  # counting tokens needs no torch
    import torch

Ids = npt.NDArray[np.int64]

Encode = Callable[[list[str]], list[list[int]]]
"""Maps texts to their token ids, without special tokens, none cut off."""

_MOST_WORDS = 2**18
_ENDS = 2


class WordTokenizer:
    """Maps captions `[n]` to tokens `[n, t]`, like the tokenizer whose parts it is made of."""

    def __init__(
        self,
        encode: Encode,
        *,
        clean: Callable[[str], str],
        splits_all: bool,
        lower: bool,
        start: int,
        end: int,
        pad: int,
        context: int,
    ) -> None:
        """Combine the parts of a tokenizer.

        Args:
            encode: Tokenises words or whole captions that are clean.
            clean: Cleans a caption that is not plain.
            splits_all: Whether cleaned captions may be split at spaces too; else, only plain ones.
            lower: Whether `clean` lowers the case.
            start: First token of every caption.
            end: Last token of every caption, also of one that is cut off.
            pad: Token behind the end.
            context: Tokens of a row, at least 2; longer captions are cut off.
        """
        self._encode, self._clean, self._lower = encode, clean, lower
        self._splits_all = splits_all
        self._start, self._end, self._pad, self.context_length = start, end, pad, context
        self._words = _Words(encode)

    def __call__(self, captions: Sequence[str]) -> torch.Tensor:
        """Return tokens `[n, context]`."""
        return self._rows(*self._tokens(captions), self.context_length)

    def rows(self, captions: Sequence[str]) -> tuple[torch.Tensor, Ids]:
        """Return tokens `[n, t]`, as long as the longest caption, and their lengths `[n]`."""
        ids, counts = self._tokens(captions)
        lengths = np.minimum(counts + 2, self.context_length)
        return self._rows(ids, counts, int(lengths.max(initial=2))), lengths

    def _rows(self, ids: Ids, counts: Ids, width: int) -> torch.Tensor:
        import torch

        rows = np.full((len(counts), width), self._pad, dtype=np.int64)
        rows[:, 0] = self._start
        owner = np.repeat(np.arange(len(counts)), counts)
        place = _runs(np.ones_like(counts), counts)
        fits = place < width - 1
        rows[owner[fits], place[fits]] = ids[fits]
        rows[np.arange(len(counts)), np.minimum(counts + 1, width - 1)] = self._end
        return torch.from_numpy(rows)

    def count(self, captions: Sequence[str]) -> list[int]:
        """Return the numbers of tokens `[n]`, special ones included, none cut off."""
        return [int(count) + 2 for count in self._tokens(captions)[1]]

    def _tokens(self, captions: Sequence[str]) -> tuple[Ids, Ids]:
        """Return the ids of all captions in a row, and their numbers `[n]`."""
        odd = [row for row, caption in enumerate(captions) if not plain(caption)]
        if not odd:
            return self._by_words(captions)
        texts = list(captions)
        cleaned = [self._clean(texts[row]) for row in odd]
        for row, text in zip(odd, cleaned, strict=True):
            texts[row] = text if self._splits_all else ""
        if self._splits_all:
            return self._by_words(texts)
        whole = self._encode(cleaned)
        ids, counts = self._by_words(texts)
        at = (np.cumsum(counts) - counts)[odd]  # where they belong among the others
        sizes = [len(found) for found in whole]
        flat = np.array([token for found in whole for token in found], dtype=np.int64)
        counts[odd] = sizes
        return np.insert(ids, np.repeat(at, sizes), flat), counts

    def _by_words(self, captions: Sequence[str]) -> tuple[Ids, Ids]:
        import pyarrow as pa
        import pyarrow.compute as pc

        texts = pa.array(captions, pa.large_string())
        # Only ASCII: the case of other captions is lowered by cleaning.
        split = pc.split_pattern(pc.ascii_lower(texts) if self._lower else texts, " ")
        words = split.flatten().dictionary_encode()
        first, size, known = self._words.look_up(words.dictionary.to_pylist())
        word = words.indices.to_numpy()
        ends = np.cumsum(size[word])
        ids = known[_runs(first[word], size[word])]
        edges = np.concatenate([[0], ends])[split.offsets.to_numpy()]
        return ids, np.diff(edges)


class _Words:
    """Token ids of the words seen so far; for several threads."""

    def __init__(self, encode: Encode) -> None:
        self._encode, self._lock = encode, threading.Lock()
        self._number: dict[str, int] = {}
        self._first = self._size = self._ids = np.empty(0, dtype=np.int64)

    def look_up(self, words: list[str]) -> tuple[Ids, Ids, Ids]:
        """Return the first place `[w]` and number `[w]` of each word's tokens, and all tokens."""
        with self._lock:
            if len(self._number) > _MOST_WORDS:
                self._forget()
            fresh = [word for word in words if word not in self._number]
            if fresh:
                self._add(fresh)
            number = np.fromiter(map(self._number.__getitem__, words), np.int64, len(words))
            return self._first[number], self._size[number], self._ids

    def _add(self, words: list[str]) -> None:
        found = self._encode(words)
        self._number |= {word: len(self._number) + at for at, word in enumerate(words)}
        sizes = np.array([len(ids) for ids in found], dtype=np.int64)
        first = len(self._ids) + np.cumsum(sizes) - sizes
        flat = np.array([token for ids in found for token in ids], dtype=np.int64)
        # New arrays: another thread may be reading the old ones.
        self._first = np.concatenate([self._first, first])
        self._size = np.concatenate([self._size, sizes])
        self._ids = np.concatenate([self._ids, flat])

    def _forget(self) -> None:
        self._number = {}
        self._first = self._size = self._ids = np.empty(0, dtype=np.int64)


def plain(caption: str) -> bool:
    """Whether cleaning leaves a caption as it is, apart from spaces."""
    return caption.isascii() and caption.isprintable() and "&" not in caption


def _runs(first: Ids, size: Ids) -> Ids:
    """Return first, first + 1, … for each of the runs `[w]`, one after the other.

    >>> _runs(np.array([7, 0]), np.array([2, 3])).tolist()
    [7, 8, 0, 1, 2]
    """
    before = np.cumsum(size) - size
    runs: Ids = np.arange(int(size.sum())) + np.repeat(first - before, size)
    return runs


def fast(tokenizer: Any) -> Any:
    """Return the fast form of an open_clip tokenizer; itself, at most cleaning faster, if none.

    CLIP's with its usual options and BERT's have one.
    """
    import copy

    from open_clip.tokenizer import HFTokenizer, SimpleTokenizer

    if type(tokenizer) is SimpleTokenizer:
        return _of_clip(tokenizer) or tokenizer
    if type(tokenizer) is not HFTokenizer:
        return tokenizer
    quick = copy.copy(tokenizer)
    quick.clean_fn = _quick_cleaning(tokenizer.clean_fn)
    return _of_bert(tokenizer) or quick


def _quick_cleaning(clean: Callable[[str], str]) -> Callable[[str], str]:
    """Return an open_clip cleaning that passes over ftfy and HTML entities for plain captions."""
    from open_clip.tokenizer import canonicalize_text, get_clean_fn, whitespace_clean

    rest = {
        get_clean_fn("canonicalize"): canonicalize_text,
        get_clean_fn("lower"): lambda caption: whitespace_clean(caption).lower(),
        get_clean_fn("whitespace"): whitespace_clean,
    }
    of_plain = rest.get(clean, clean)
    return lambda caption: of_plain(caption) if plain(caption) else clean(caption)


def _of_clip(tokenizer: Any) -> WordTokenizer | None:
    import copy

    from open_clip.tokenizer import get_clean_fn

    ends_only = tokenizer.all_special_ids == [tokenizer.sot_token_id, tokenizer.eot_token_id]
    lowers = tokenizer.clean_fn is get_clean_fn("lower")
    if not (ends_only and lowers) or tokenizer.reduction_fn is not None:
        return None
    bare = copy.copy(tokenizer)  # shares the vocabulary
    bare.clean_fn = str  # words are clean, and cleaning twice may change them
    return WordTokenizer(
        lambda words: [bare.encode(word) for word in words],
        clean=tokenizer.clean_fn,
        splits_all=True,
        lower=True,
        start=tokenizer.sot_token_id,
        end=tokenizer.eot_token_id,
        pad=0,
        context=tokenizer.context_length,
    )


def _of_bert(tokenizer: Any) -> WordTokenizer | None:
    from open_clip.tokenizer import get_clean_fn

    wrapped = tokenizer.tokenizer
    sides = (wrapped.padding_side, wrapped.truncation_side)
    cleans = tokenizer.clean_fn is get_clean_fn("whitespace")
    if tokenizer.tokenizer_mode or tokenizer.strip_sep_token or not cleans:
        return None
    if sides != ("right", "right") or not getattr(wrapped, "is_fast", False):
        return None
    return of_word_pieces(
        wrapped.backend_tokenizer, clean=tokenizer.clean_fn, context=tokenizer.context_length
    )


def of_word_pieces(
    tokenizer: Any, *, clean: Callable[[str], str], context: int
) -> WordTokenizer | None:
    """Make the fast form of a BERT tokenizer of the library `tokenizers`; None for other kinds."""
    import json

    facts = json.loads(tokenizer.to_str())
    parts = [(facts.get(part) or {}).get("type") for part in ("normalizer", "pre_tokenizer")]
    marks = facts["added_tokens"]
    simple = not any(
        m["lstrip"] or m["rstrip"] or m["normalized"] or m["single_word"] for m in marks
    )
    if parts != ["BertNormalizer", "BertPreTokenizer"] or not simple:
        return None
    pad = tokenizer.token_to_id("[PAD]")
    if pad is None or any(" " in mark["content"] for mark in marks):
        return None
    return of_backend(tokenizer, clean=clean, pad=pad, context=context)


def of_backend(
    tokenizer: Any, *, clean: Callable[[str], str], pad: int, context: int
) -> WordTokenizer | None:
    """Make the fast form of a tokenizer of the library `tokenizers` that splits at spaces.

    None if it does not put one token at each end.
    """
    import tokenizers

    bare = tokenizers.Tokenizer.from_str(tokenizer.to_str())
    bare.no_padding()
    bare.no_truncation()
    ends = bare.encode("").ids
    if len(ends) != _ENDS:
        return None
    return WordTokenizer(
        lambda texts: [e.ids for e in bare.encode_batch(texts, add_special_tokens=False)],
        clean=clean,
        splits_all=False,  # its tables of Unicode are not those of Python
        lower=False,
        start=ends[0],
        end=ends[1],
        pad=pad,
        context=context,
    )
