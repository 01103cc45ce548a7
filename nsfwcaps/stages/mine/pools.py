"""mine: the files of embed as the arrays that a search compares."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from nsfwcaps.artifacts import StageRecord
from nsfwcaps.enums import Similarity
from nsfwcaps.errors import InputError, ModelError
from nsfwcaps.mining.ranking import TextKeys
from nsfwcaps.mining.similarity import Pictures, Pools
from nsfwcaps.stages.mine.settings import MineSettings
from nsfwcaps.stages.mine.text_keys import picture_keys, text_keys
from nsfwcaps.vectors.index import Rows
from nsfwcaps.vectors.store import VectorTable

_ROWS = 65_536
_PICTURES = 2**20
"""Captions whose pictures are looked up at once."""


@dataclass(frozen=True, kw_only=True)
class PoolVectors:
    """Vectors of the captions, and of the pictures if there are any."""

    unsafe: VectorTable
    safe: VectorTable
    images: VectorTable | None

    @cached_property
    def unsafe_pictures(self) -> Rows:
        """Row `[u]` of the picture of each unsafe caption; -1 without one."""
        return _pictures(self.unsafe, self.images)

    @cached_property
    def safe_pictures(self) -> Rows:
        """Row `[s]` of the picture of each safe caption; -1 without one."""
        return _pictures(self.safe, self.images)


def read_vectors(embed: StageRecord) -> PoolVectors:
    """Open the vectors of embed.

    Raises:
        InputError: a side has no captions.
        ModelError: the vectors come from different encoders.
    """
    for label in ("unsafe", "safe"):
        if not embed.rows(label):
            raise InputError(f"mine: no {label} captions; add a pool to ingest with --{label}")
    unsafe, safe = (VectorTable(embed.paths(label)) for label in ("unsafe", "safe"))
    if unsafe.encoder != safe.encoder:
        raise ModelError(
            "mine: safe and unsafe vectors come from two encoders, so their cosines are "
            f"meaningless; delete {embed.folder} and run embed again"
        )
    images = VectorTable(embed.paths("images")) if embed.paths("images") else None
    if images is not None and images.encoder != safe.encoder:
        raise ModelError(
            "mine: caption and image vectors come from two encoders, so their cosines are "
            f"meaningless; delete {embed.folder} and run embed again"
        )
    return PoolVectors(unsafe=unsafe, safe=safe, images=images)


def pools_of(tables: PoolVectors, settings: MineSettings) -> Pools:
    """Return the vectors with the keys of texts and pictures."""
    pictures = None
    if settings.similarity is not Similarity.TEXT and tables.images is not None:
        unsafe, safe = tables.unsafe_pictures, tables.safe_pictures
        pictures = Pictures(vectors=tables.images, unsafe=unsafe, safe=safe)
    return Pools(
        unsafe=tables.unsafe,
        safe=tables.safe,
        keys=TextKeys(
            unsafe=text_keys(tables.unsafe, settings.skip),
            safe=text_keys(tables.safe, settings.skip),
        ),
        pictures=pictures,
        picture_keys=picture_keys(tables.safe),
    )


def pictured(tables: PoolVectors) -> Mapping[str, int]:
    """Return the number of captions of each side that have a picture."""
    found = {}
    for side, table in (("unsafe", tables.unsafe), ("safe", tables.safe)):
        parts = (table.column("image_sha256", rows) for rows in _blocks(table))
        found[side] = sum(len(part) - part.null_count for part in parts)
    return found


def _pictures(captions: VectorTable, images: VectorTable | None) -> Rows:
    """Return the row `[n]` of each caption's picture in the image table; -1 if it has none."""
    found = np.full(captions.rows, -1, dtype=np.int64)
    if images is None:
        return found
    # Many at once: hashes are anywhere in the table, so every look goes through all its files.
    for rows in _blocks(captions, _PICTURES):
        hashes = captions.column("image_sha256", rows).combine_chunks()
        found[rows] = images.find("image_sha256", hashes)
    return found


def _blocks(table: VectorTable, size: int = _ROWS) -> Iterator[Rows]:
    """Yield the row numbers of a table, some at a time: columns of text are large."""
    for start in range(0, table.rows, size):
        yield np.arange(start, min(start + size, table.rows))
