"""Which captions have every content word of some other caption: copies, reordered or extended.

An inverted index over the word sets of the other captions. A set is filed under its two rarest
words, so that few captions meet a set that they do not contain. Every meeting is checked, so the
result is exact, and independent of the order of both sides. Stems are known by hashes of 64 bits,
as texts are by ids: a vocabulary of millions takes 12 bytes a stem.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from nsfwcaps.captions.content_words import Ints, Tokens, content_word, hashed, tokens

VERSION = 1

LEAST_WORDS = 2
"""Content words that a set has at least."""
MOST_TIMES = 3
"""A caption with more content words than this multiple of the set's is no near-duplicate."""

Mask = npt.NDArray[np.bool_]
Hashes = npt.NDArray[np.uint64]

_PAIRS_AT_ONCE = 2**21
_UNKNOWN = -1
_MOST_BITS = 27
"""Of the filter: 128 MiB."""


class ContentSets:
    """Sets of content words, looked up by captions that may contain them."""

    def __init__(self, captions: Iterable[pa.Array]) -> None:
        """Index captions: normalised texts, in parts, in any order; copies count once."""
        parts = [_Part.of_tokens(tokens(part)) for part in captions]
        self._stems, used = _totals([part.counted() for part in parts])
        self._rank = np.empty(len(used), np.int32)
        self._rank[np.argsort(used, kind="stable")] = np.arange(len(used), dtype=np.int32)
        del used
        runs = [_Runs(np.empty(0, np.int32), np.empty(0, np.int32))]
        while parts:  # each is freed when its words are ranks
            part = parts.pop()
            runs.append(_Runs.of(*_distinct(part.row, self._ranks(part.stems)[part.of])))
        digest = np.concatenate([part.digests() for part in runs])
        size = np.concatenate([part.size for part in runs])
        word = np.concatenate([part.word for part in runs])
        del runs
        self._file(digest, size, word)

    def _file(self, digest: Hashes, size: Ints, word: Ints) -> None:
        """File sets `[s]` of given sizes; words `[t]` are ranks, ascending within each set."""
        start = np.cumsum(size, dtype=np.int64) - size
        _, one = np.unique(digest, return_index=True)  # one of the sets that are equal
        one = one[size[one] >= LEAST_WORDS]
        keys = self._key(word[start[one]], word[start[one] + 1])
        order = np.argsort(keys, kind="stable")
        self._word = word
        self._start, self._size = start[one][order], size[one][order]
        self._keys, bucket = np.unique(keys[order], return_index=True)
        self._bucket = np.append(bucket, len(one))
        bits = min(_MOST_BITS, max(10, (8 * len(self._keys)).bit_length()))
        self._shift = np.uint64(64 - bits)
        self._filter = np.zeros(2**bits, np.bool_)
        self._filter[self._slot(self._keys)] = True
        # Size of the largest set whose rarest word this is.
        self._largest = np.zeros(len(self._rank), np.int32)
        np.maximum.at(self._largest, word[self._start], self._size)

    def _ranks(self, stems: Hashes) -> Ints:
        """Return the ranks `[v]` of hashed stems `[v]`; -1 for those that no set has."""
        place = np.searchsorted(self._stems, stems)
        known = np.flatnonzero(place < len(self._stems))
        known = known[self._stems[place[known]] == stems[known]]
        ranks = np.full(len(stems), _UNKNOWN, np.int32)
        ranks[known] = self._rank[place[known]]
        return ranks

    def contained(self, split: Tokens) -> Mask:
        """Return a mask `[n]` of captions that contain a set and are not `MOST_TIMES` longer."""
        part = _Part.of_tokens(split)
        found, length = np.zeros(len(part.length), np.bool_), part.length
        word = self._ranks(part.stems)[part.of]
        known = np.flatnonzero(word != _UNKNOWN)
        row, word = part.row[known], word[known]
        held: Ints | None = None
        for at, key in self._meetings(row, word, length):
            sets, meeting = self._sets_of(key)
            rows = row[at[meeting]]
            fits = self._size[sets] * MOST_TIMES >= length[rows]
            sets, rows = sets[fits], rows[fits]
            if len(sets):
                held = np.sort(self._key(row, word)) if held is None else held
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


@dataclass(frozen=True, kw_only=True)
class _Part:
    """The t content words of captions, of v stems."""

    stems: Hashes
    """Hashes `[v]` of the distinct stems, ascending."""
    of: Ints
    """Stem `[t]` of each word."""
    length: Ints
    """Words `[n]` of each caption."""

    @property
    def row(self) -> Ints:
        """Caption `[t]` of each word."""
        return np.repeat(np.arange(len(self.length), dtype=np.int32), self.length)

    @classmethod
    def of_tokens(cls, split: Tokens) -> _Part:
        """Take the tokens that are content words."""
        found = [content_word(word) for word in split.words]
        stem = np.array([0 if item is None else hashed(item) for item in found], np.uint64)
        stems, place = np.unique(stem, return_inverse=True)
        place = place.astype(np.int32)
        place[[item is None for item in found]] = _UNKNOWN
        of = place[split.of]
        kept = np.flatnonzero(of != _UNKNOWN)
        length = np.bincount(split.rows[kept], minlength=len(split.starts) - 1)
        return cls(stems=stems, of=of[kept], length=length.astype(np.int32))

    def counted(self) -> tuple[Hashes, Ints]:
        """Return the stems `[v]`, and how many words `[v]` have each."""
        return self.stems, np.bincount(self.of, minlength=len(self.stems))


@dataclass(frozen=True)
class _Runs:
    """Sets of words as ranks, ascending within each set."""

    size: Ints
    """Words `[s]` of each set."""
    word: Ints
    """Words `[t]` of all sets."""

    @classmethod
    def of(cls, row: Ints, word: Ints) -> _Runs:
        """Take the distinct words of rows, which ascend."""
        return cls(_runs(row)[1].astype(np.int32), word)

    def digests(self) -> Hashes:
        """Return a digest `[s]` of each set."""
        if not len(self.size):
            return np.empty(0, np.uint64)
        digests: Hashes = np.add.reduceat(_mixed(self.word), np.cumsum(self.size) - self.size)
        return digests


def _totals(parts: Sequence[tuple[Hashes, Ints]]) -> tuple[Hashes, Ints]:
    """Add up the counts of hashes over parts."""
    hashes = np.concatenate([np.empty(0, np.uint64), *(part for part, _ in parts)])
    counts = np.concatenate([np.empty(0, np.int64), *(count for _, count in parts)])
    order = np.argsort(hashes)
    hashes = hashes[order]
    first = np.flatnonzero(np.append(True, hashes[1:] != hashes[:-1])[: len(hashes)])
    return hashes[first], np.add.reduceat(counts[order], first) if len(first) else counts


def _distinct(row: Ints, word: Ints) -> tuple[Ints, Ints]:
    """Sort the words of each row, and keep one of several equal words; return 32-bit integers."""
    # Sorting takes a tenth of the time of `numpy.unique`, which hashes numbers.
    both = np.sort((row.astype(np.int64) << 32) | word)
    both = both[np.diff(both, prepend=-1) != 0]
    return (both >> 32).astype(np.int32), both.astype(np.int32)


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
