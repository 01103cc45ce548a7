"""mine: the exact cosines of pairs: captions, pictures, and unsafe caption with safe picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from nsfwcaps.enums import Similarity
from nsfwcaps.mining.pair_block import PairBlock
from nsfwcaps.stages.mine.pools import PoolVectors
from nsfwcaps.vectors.exact import exact_sims
from nsfwcaps.vectors.index import Rows
from nsfwcaps.vectors.store import VectorTable
from nsfwcaps.vectors.unit import as_cosines


@dataclass(frozen=True, kw_only=True)
class PairSims:
    """Columns of cosines `[m]`; null where a side has no picture."""

    text: pa.Array
    image: pa.Array
    cross: pa.Array


def sims_of(pairs: PairBlock, tables: PoolVectors, similarity: Similarity) -> PairSims:
    """Compute the cosines of the pairs of a block; those that ranked them are known."""
    count = len(pairs.targets)
    absent = pa.nulls(count, pa.float32())
    text, image, cross = as_cosines(pairs.sims), absent, absent
    if count and similarity is not Similarity.TEXT:
        queries = tables.unsafe.take(pairs.rows)
        text = as_cosines(exact_sims(queries, tables.safe, pairs.query, pairs.targets))
    if count and tables.images is not None:
        image, cross = _of_pictures(pairs, tables, tables.images, absent)
    return PairSims(text=pa.array(text), image=image, cross=cross)


def _of_pictures(
    pairs: PairBlock, tables: PoolVectors, images: VectorTable, absent: pa.Array
) -> tuple[pa.Array, pa.Array]:
    safe = tables.safe_pictures[pairs.targets]
    unsafe = tables.unsafe_pictures[pairs.rows[pairs.query]]
    cross = absent
    if images.width == tables.unsafe.width:
        cross = _sims(tables.unsafe.take(pairs.rows), images, pairs.query, safe)
    has = np.flatnonzero(unsafe >= 0)
    needed, place = np.unique(unsafe[has], return_inverse=True)
    place_of = np.full(len(unsafe), -1)
    place_of[has] = place
    return _sims(images.take(needed), images, place_of, safe), cross


def _sims(
    left: npt.NDArray[np.float16], images: VectorTable, left_of: Rows, picture: Rows
) -> pa.Array:
    """Return exact cosines `[m]`; null where a side has no picture (−1)."""
    both = np.flatnonzero((left_of >= 0) & (picture >= 0))
    out = np.full(len(picture), np.nan, dtype=np.float32)
    out[both] = as_cosines(exact_sims(left, images, left_of[both], picture[both]))
    return pa.array(out, pa.float32(), from_pandas=True)
