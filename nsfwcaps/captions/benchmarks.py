"""Benchmark files whose captions must not be in a data set to train on."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from nsfwcaps.captions import sources
from nsfwcaps.captions.clean import captions_of
from nsfwcaps.captions.content_words import Tokens, bag_keys, tokens
from nsfwcaps.captions.normalize import fold_key, normalize
from nsfwcaps.captions.opening import shown
from nsfwcaps.captions.options import EVERYTHING
from nsfwcaps.captions.readers import read_pool
from nsfwcaps.captions.rows import BadRow, Row, Sample
from nsfwcaps.captions.tables.column_names import (
    CAPTION_NAMES_OF_SIDE,
    CAPTION_WORDS,
    OTHER_CAPTION_NAMES,
    USUAL_CAPTION_NAMES,
    Label,
    folded,
)
from nsfwcaps.captions.tables.columns import resolve
from nsfwcaps.captions.tables.roles import Columns, Named
from nsfwcaps.captions.tables.values import Kind, kind_of
from nsfwcaps.errors import InputError

VERSION = 1

_UNREADABLE = "unreadable"
_EXPECTED = (
    *(*USUAL_CAPTION_NAMES, *OTHER_CAPTION_NAMES),
    *(*CAPTION_NAMES_OF_SIDE[Label.SAFE], *CAPTION_NAMES_OF_SIDE[Label.UNSAFE]),
)
# In a file without a header, captions are taken for names: they must not be printed.
_NAME = re.compile(r"[\w.:/-]{1,40}", re.ASCII)
_SURROGATE = re.compile("[\ud800-\udfff]")

Keys = npt.NDArray[np.uint64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class BenchmarkKeys:
    """The captions of one benchmark, as keys."""

    name: str
    """Name of the file or folder."""
    captions: int
    """Number of distinct captions, up to case and punctuation."""
    unreadable: int = 0
    """Number of rows that could not be read, and so exclude nothing."""
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
    """Read a benchmark: a file, folder, glob or URL; of a folder, all configurations and splits.

    Raises:
        InputError: a file cannot be read, or has no caption.
    """
    rows: Counter[str] = Counter()
    files = sources.expand(url, EVERYTHING)
    captions = sorted({item for file in files for item in read_benchmark(file, rows)})
    folds = np.unique(np.array(sorted(fold_keys(captions)), np.uint64))
    return BenchmarkKeys(
        name=shown(url).rstrip("/").rpartition("/")[2],
        captions=len(folds),
        unreadable=rows[_UNREADABLE],
        folds=folds,
        bags=np.unique(bag_keys(tokens(pa.array(captions, pa.string())))),
    )


def read_benchmark(url: str, rows: Counter[str] | None = None) -> Iterator[str]:
    """Yield the captions of a benchmark file, from every safe or unsafe caption column.

    Args:
        url: The file.
        rows: Counts the unreadable rows.

    Raises:
        InputError: the file cannot be read, or has no caption: it would exclude nothing.
    """
    wanted: list[Columns] = []

    def choose(sample: Sample) -> list[str]:
        wanted[:] = _caption_columns(sample, shown(url))
        return [columns.caption for columns in wanted]

    rows = Counter() if rows is None else rows
    before = rows[_UNREADABLE]
    is_empty = True
    for row in read_pool(url, choose, EVERYTHING):
        texts = [] if isinstance(row, BadRow) else _texts(row, wanted)
        rows[_UNREADABLE] += isinstance(row, BadRow) or not all(map(_is_readable, texts))
        for text in filter(_is_readable, texts):
            if caption := normalize(str(text)):
                is_empty = False
                yield caption
    if is_empty:
        bad = rows[_UNREADABLE] - before
        raise InputError(
            f"{shown(url)}: no caption in this benchmark"
            + (f" ({bad} unreadable rows)" if bad else "")
            + ", so it would exclude nothing; repair the file, or remove it from --exclude"
        )


def _caption_columns(sample: Sample, where: str) -> list[Columns]:
    """Every column with a caption's name, unless its first values are something else.

    Columns of bytes count only if there is no other: a caption may be stored so, an image as well.
    """
    known = [name for name in sample.names if folded(name) in CAPTION_WORDS]
    texts = [name for name in known if name not in sample.binary and _may_be_text(sample, name)]
    chosen = texts or [name for name in known if name in sample.binary]
    if not chosen:
        names = [name for name in sample.names if _NAME.fullmatch(name)]
        raise InputError(
            f"{where}: no caption column found in this benchmark; available columns: "
            f"{', '.join(names) or 'none'}; rename the column with the captions to one of: "
            f"{', '.join(_EXPECTED)}"
        )
    return [resolve(sample, None, where=where, named=Named(caption=name)) for name in chosen]


def _texts(row: Row, columns: Sequence[Columns]) -> list[object]:
    """Cells with captions, those of a null left out."""
    found = (text for item in columns for text in captions_of(row, item))
    return [text for text in found if text is not None]


def _is_readable(text: object) -> bool:
    """Whether a cell is valid text; `captions_of` decodes invalid bytes to lone surrogates."""
    return isinstance(text, str) and not _SURROGATE.search(text)


def _may_be_text(sample: Sample, name: str) -> bool:
    values = [row[name] for row in sample.rows if row.get(name) is not None]
    return kind_of(values) in (Kind.TEXT, Kind.LISTED, Kind.NESTED, Kind.EMPTY)


def fold_keys(captions: Iterable[str]) -> frozenset[int]:
    """Return the fold keys of captions; equal if they differ only in case and punctuation."""
    return frozenset(map(fold_key, captions))
