"""Which captions have every content word of some other caption: copies, reordered or extended.

An inverted index over the word sets of the other captions. A set is filed under its two rarest
words, so that few captions meet a set that they do not contain. Every meeting is checked, so the
result is exact, and independent of the order of both sides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from nsfwcaps.captions.content_words import Ints, Tokens, content_word, tokens

VERSION = 1

LEAST_WORDS = 2
"""Content words that a set has at least."""
MOST_TIMES = 3
"""A caption with more content words than this multiple of the set's is no near-duplicate."""

Mask = npt.NDArray[np.bool_]

_PAIRS_AT_ONCE = 2**21
_UNKNOWN = -1


class ContentSets:
    """Sets of content words, looked up by captions that may contain them."""

    def __init__(self, captions: Iterable[pa.Array]) -> None:
        """Index captions: normalised texts, in parts, in any order; copies count once."""
        numbers: dict[str, int] = {}
        parts = []
        for part in captions:
            split = tokens(part)
            stems = map(content_word, split.words)
            number = [_UNKNOWN if x is None else numbers.setdefault(x, len(numbers)) for x in stems]
            parts.append(_distinct(*_of_words(split, number)))
        used = np.zeros(len(numbers), np.int64)
        for _, word in parts:
            used += np.bincount(word, minlength=len(numbers))
        rank = np.empty(len(numbers), np.int32)
        rank[np.argsort(used, kind="stable")] = np.arange(len(numbers))
        self._rank = {stem: int(rank[number]) for stem, number in numbers.items()}
        self._file([_distinct(row, rank[word]) for row, word in parts])

    def _file(self, parts: Sequence[tuple[Ints, Ints]]) -> None:
        """File the sets of every part: words `[t]` as ranks, ascending within each row `[t]`."""
        runs = [_runs(row) for row, _ in parts]
        digest = _joined(
            [
                np.add.reduceat(_mixed(word), start)
                for (_, word), (start, _) in zip(parts, runs, strict=True)
                if len(start)
            ]
        )
        ends = np.cumsum([0, *(len(word) for _, word in parts)])
        start = _joined([start + end for (start, _), end in zip(runs, ends[:-1], strict=True)])
        size = _joined([size for _, size in runs])
        word = _joined([word for _, word in parts])
        _, one = np.unique(digest, return_index=True)  # one of the sets that are equal
        one = one[size[one] >= LEAST_WORDS]
        keys = self._key(word[start[one]], word[start[one] + 1])
        order = np.argsort(keys, kind="stable")
        self._word = word
        self._start, self._size = start[one][order], size[one][order]
        self._keys, bucket = np.unique(keys[order], return_index=True)
        self._bucket = np.append(bucket, len(one))
        bits = min(24, max(10, (8 * len(self._keys)).bit_length()))
        self._shift = np.uint64(64 - bits)
        self._filter = np.zeros(2**bits, np.bool_)
        self._filter[self._slot(self._keys)] = True
        # Size of the largest set whose rarest word this is.
        self._largest = np.zeros(len(self._rank), np.int64)
        np.maximum.at(self._largest, word[self._start], self._size)

    def contained(self, split: Tokens) -> Mask:
        """Return a mask `[n]` of captions that contain a set and are not `MOST_TIMES` longer."""
        found = np.zeros(len(split.starts) - 1, np.bool_)
        stems = [content_word(word) for word in split.words]
        length = np.bincount(
            _of_words(split, [_UNKNOWN if stem is None else 0 for stem in stems])[0],
            minlength=len(found),
        )
        ranks = [_UNKNOWN if stem is None else self._rank.get(stem, _UNKNOWN) for stem in stems]
        row, word = _of_words(split, ranks)
        held: Ints | None = None
        for at, key in self._meetings(row, word, length):
            sets, meeting = self._sets_of(key)
            rows = row[at[meeting]]
            fits = self._size[sets] * MOST_TIMES >= length[rows]
            sets, rows = sets[fits], rows[fits]
            if len(sets):
                held = np.unique(self._key(row, word)) if held is None else held
                found[rows[self._within(sets, rows, held)]] = True
        return found

    def _meetings(self, row: Ints, word: Ints, length: Ints) -> Iterator[tuple[Ints, Ints]]:
        """Yield positions of words `[m]` and keys `[m]` that they form with a word of their row."""
        start, size = _runs(row)
        start_of, size_of = np.repeat(start, size), np.repeat(size, size)
        firsts = np.flatnonzero(self._largest[word] * MOST_TIMES >= length[row])
        ends = np.cumsum(size_of[firsts])
        done = 0
        while done < len(firsts):
            before = ends[done - 1] if done else 0
            stop = max(done + 1, int(np.searchsorted(ends, before + _PAIRS_AT_ONCE)))
            part = firsts[done:stop]
            done = stop
            at, within = _spread(size_of[part])
            at = part[at]
            other = word[start_of[at] + within]
            key = self._key(word[at], other)
            hit = np.flatnonzero((word[at] < other) & self._filter[self._slot(key)])
            yield at[hit], key[hit]

    def _sets_of(self, key: Ints) -> tuple[Ints, Ints]:
        """Return the sets `[c]` filed under any of some keys, and the position `[c]` of its key."""
        place = np.searchsorted(self._keys, key)
        there = np.flatnonzero(self._keys[np.minimum(place, len(self._keys) - 1)] == key)
        place = place[there]
        meeting, within = _spread(self._bucket[place + 1] - self._bucket[place])
        return self._bucket[place][meeting] + within, there[meeting]

    def _within(self, sets: Ints, rows: Ints, held: Ints) -> Mask:
        """Return a mask `[c]`: whether rows hold all words of sets; `held` is sorted."""
        of, within = _spread(self._size[sets])
        wanted = self._key(rows[of], self._word[self._start[sets][of] + within])
        place = np.minimum(np.searchsorted(held, wanted), len(held) - 1)
        first = np.cumsum(self._size[sets]) - self._size[sets]
        inside: Mask = np.logical_and.reduceat(held[place] == wanted, first)
        return inside

    def _key(self, first: Ints, second: Ints) -> Ints:
        return first.astype(np.int64) * len(self._rank) + second

    def _slot(self, key: Ints) -> npt.NDArray[np.uint64]:
        slot: npt.NDArray[np.uint64] = _mixed(key) >> self._shift
        return slot


def _of_words(split: Tokens, number: Sequence[int]) -> tuple[Ints, Ints]:
    """Return row `[t]` and number `[t]` of every token whose word has a number."""
    of = np.array(number, np.int32)[split.of]
    kept = np.flatnonzero(of != _UNKNOWN)
    return split.rows[kept], of[kept]


def _distinct(row: Ints, word: Ints) -> tuple[Ints, Ints]:
    """Sort the words of each row, and keep one of several equal words; return 32-bit integers."""
    both = np.unique((row.astype(np.int64) << 32) | word)
    return (both >> 32).astype(np.int32), both.astype(np.int32)


def _joined(parts: Sequence[Any]) -> Any:
    return np.concatenate(parts) if parts else np.empty(0, np.int64)


def _runs(row: Ints) -> tuple[Ints, Ints]:
    """Return start and length of every run of equal values."""
    start = np.flatnonzero(np.diff(row, prepend=-1))
    return start, np.diff(start, append=len(row))


def _spread(size: Ints) -> tuple[Ints, Ints]:
    """Return, for groups of given sizes, the group of each member and its place within it.

    >>> [values.tolist() for values in _spread(np.array([2, 0, 1]))]
    [[0, 0, 2], [0, 1, 0]]
    """
    group = np.repeat(np.arange(len(size)), size)
    return group, np.arange(len(group)) - (np.cumsum(size) - size)[group]


def _mixed(value: Ints) -> npt.NDArray[np.uint64]:
    """Mix the bits of numbers (finaliser of MurmurHash3)."""
    mixed = value.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    for factor in (0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53):
        mixed = (mixed ^ (mixed >> np.uint64(33))) * np.uint64(factor)
    return mixed ^ (mixed >> np.uint64(33))
