"""Benchmark files whose captions must not be in a data set to train on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from nsfwcaps.captions import sources
from nsfwcaps.captions.clean import captions_of
from nsfwcaps.captions.column_names import CAPTION_WORDS, folded
from nsfwcaps.captions.columns import Columns, Named, resolve
from nsfwcaps.captions.content_words import Tokens, bag_keys, tokens
from nsfwcaps.captions.normalize import fold_key, normalize
from nsfwcaps.captions.opening import shown
from nsfwcaps.captions.readers import read_pool
from nsfwcaps.captions.rows import BadRow, Sample
from nsfwcaps.captions.values import Kind, kind_of

VERSION = 1

Keys = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class BenchmarkKeys:
    """The captions of one benchmark, as keys."""

    name: str
    """Name of the file or folder."""
    captions: int
    """Number of distinct captions, up to case and punctuation."""
    folds: Keys
    """Fold keys, ascending."""
    bags: Keys
    """Keys of bags of content words, ascending."""

    @property
    def digest(self) -> str:
        """Digest of the keys."""
        return hashlib.sha256(self.folds.tobytes() + b"|" + self.bags.tobytes()).hexdigest()

    def matches(self, folds: Keys, split: Tokens) -> Mask:
        """Return a mask `[n]` of captions that are in the benchmark.

        A caption is if it differs only in case and punctuation, or if its content words are equal
        in any order. `folds` `[n]` are the fold keys of the captions, `split` their words.
        """
        bags = bag_keys(split)
        mask: Mask = np.isin(folds, self.folds) | (np.isin(bags, self.bags) & (bags != 0))
        return mask


def load(url: str) -> BenchmarkKeys:
    """Read a benchmark: a file, folder, glob or URL.

    Raises:
        InputError: a file cannot be read or has no caption column.
    """
    captions = sorted({item for file in sources.expand(url) for item in read_benchmark(file)})
    folds = np.unique(np.array(sorted(fold_keys(captions)), np.uint64))
    return BenchmarkKeys(
        name=shown(url).rstrip("/").rpartition("/")[2],
        captions=len(folds),
        folds=folds,
        bags=np.unique(bag_keys(tokens(pa.array(captions, pa.string())))),
    )


def read_benchmark(url: str) -> Iterator[str]:
    """Yield the captions of a benchmark file, from every safe or unsafe caption column.

    Raises:
        InputError: the file cannot be read or has no such column.
    """
    wanted: list[Columns] = []
    where = shown(url)

    def choose(sample: Sample) -> list[str]:
        known = [name for name in sample.names if folded(name) in CAPTION_WORDS]
        found = [
            resolve(sample, None, where=where, named=Named(caption=name))
            for name in known
            if _is_text(sample, name)
        ]
        wanted[:] = found or [resolve(sample, None, where=where, named=Named())]
        return [columns.caption for columns in wanted]

    for row in read_pool(url, choose):
        if isinstance(row, BadRow):
            continue
        for text in (text for columns in wanted for text in captions_of(row, columns)):
            if not isinstance(text, str):
                continue
            if caption := normalize(text.encode("utf-8", errors="replace").decode()):
                yield caption


def _is_text(sample: Sample, name: str) -> bool:
    values = [row[name] for row in sample.rows if row.get(name) is not None]
    return kind_of(values) in (Kind.TEXT, Kind.LISTED, Kind.NESTED)


def fold_keys(captions: Iterable[str]) -> frozenset[int]:
    """Return the fold keys of captions; equal if they differ only in case and punctuation."""
    return frozenset(map(fold_key, captions))
