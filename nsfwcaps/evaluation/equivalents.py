"""Equivalents: safe items as right as the one that a pair names.

An item is equivalent to another if both have one picture or one caption, or if their captions or
their pictures are near-duplicates: cosine of the base model at least `NEAR`, the default of
`publish --near-duplicate`. The base decides for all models, so all have the same answers. Only
direct neighbours count, and of near-duplicates the nearest `MOST`: memory stays bounded for a
model that maps everything to one point.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from nsfwcaps.evaluation.datasets.pair_set import PairSet
from nsfwcaps.evaluation.inputs import MISSING
from nsfwcaps.metrics.answer_sets import Rows, Sets
from nsfwcaps.metrics.near import near_pairs
from nsfwcaps.metrics.similarities import TIE, Vectors
from nsfwcaps.metrics.tiles import Task, silent

NEAR = 0.95
MOST = 100

Matrix = Any
"""A sparse matrix of scipy: row i holds the columns that are near, or that belong, to i."""


@dataclass(frozen=True, kw_only=True)
class Equivalents:
    """Right answers of each pair beyond its own, as rows of the set's captions and images."""

    text: Sets | None
    """None if no pair has any."""
    image: Sets | None
    counts: Mapping[str, int]
    """Pairs with an equivalent item, by reason: `named`, `same` and `near`."""


def equivalents(
    pairs: PairSet,
    captions: Vectors,
    images: Vectors | None,
    image_of: Rows,
    *,
    device: str = "cpu",
    task: Task = silent,
) -> Equivalents:
    """Collect the equivalents of every pair.

    Args:
        pairs: the set.
        captions: the base's unit rows of `pairs.safe_captions`.
        images: the base's unit rows of some of `pairs.safe_pictures`; None for a text-only base.
        image_of: row of `pairs.safe_pictures` of each row of `images`.
        device: `cpu` or `cuda`, for the search of near-duplicates.
        task: shows its progress.
    """
    text = _incidence(pairs.safe_items[:, 0], len(pairs.safe_captions))  # [m, t]
    image = _incidence(pairs.safe_items[:, 1], len(pairs.safe_pictures))  # [m, v]
    own = _items_of(pairs)
    same = _linked(own, text) + _linked(own, image)
    near = same + _linked(
        own, text, near_rows(captions, len(pairs.safe_captions), device=device, task=task)
    )
    if images is not None:
        close = near_rows(images, len(pairs.safe_pictures), image_of, device=device, task=task)
        near = near + _linked(own, image, close)
    sets = {}
    for kind, belongs, named in (
        ("text", text, pairs.equivalent_text),
        ("image", image, pairs.equivalent_image),
    ):
        found = near @ belongs
        sets[kind] = _sets(found if named is None else found + _matrix(named, found.shape[1]))
    named = pairs.equivalent_text
    more = {"same": _more(same), "near": _more(near) - _more(same)}
    counts = {"named": 0 if named is None else int((np.diff(named.offsets) > 0).sum()), **more}
    any_more = any(counts.values())
    return Equivalents(
        text=sets["text"] if any_more else None,
        image=sets["image"] if any_more and len(pairs.safe_pictures) else None,
        counts=counts,
    )


def near_rows(
    vectors: Vectors,
    count: int,
    number_of: Rows | None = None,
    *,
    device: str = "cpu",
    task: Task = silent,
) -> Matrix:
    """Return the matrix `[count, count]` of rows at a cosine of at least `NEAR`.

    Row i of the vectors has the number `number_of[i]`, or i. Cosines within `TIE` of the threshold
    count, so that the rounding of the rows themselves does not decide.
    """
    left, right = near_pairs(vectors, NEAR - TIE, MOST, device=device, task=task)
    own = np.arange(count if number_of is None else len(vectors))  # whatever its rounding
    pair = [np.concatenate([own, part]) for part in (left, right)]
    if number_of is not None:
        pair = [number_of[part] for part in pair]
    near = _coordinates(pair[0], pair[1], (count, count))
    return near + near.T  # either may be beyond the other's nearest


def _items_of(pairs: PairSet) -> Matrix:
    """Return the matrix `[p, m]` of each pair's safe item."""
    number = {tuple(item): row for row, item in enumerate(pairs.safe_items.tolist())}
    both = zip(pairs.safe_text_of.tolist(), pairs.safe_image_of.tolist(), strict=True)
    items = np.array([number[item] for item in both], dtype=np.int64)
    return _incidence(items, len(number))


def _linked(own: Matrix, belongs: Matrix, near: Matrix | None = None) -> Matrix:
    """Return the items `[p, m]` with the caption or picture of a pair's own item, or a near one."""
    of_pair = own @ belongs
    return (of_pair if near is None else of_pair @ near) @ belongs.T


def _incidence(rows: Rows, count: int) -> Matrix:
    there = np.flatnonzero(rows != MISSING)
    return _coordinates(there, rows[there], (len(rows), count))


def _matrix(sets: Sets, count: int) -> Matrix:
    return _coordinates(sets.owners, sets.rows, (len(sets), count))


def _coordinates(left: Rows, right: Rows, shape: tuple[int, int]) -> Matrix:
    from scipy.sparse import csr_array

    return csr_array((np.ones(len(left), dtype=np.bool_), (left, right)), shape=shape)


def _sets(matrix: Matrix) -> Sets:
    matrix.sort_indices()
    rows, offsets = (part.astype(np.int64) for part in (matrix.indices, matrix.indptr))
    return Sets(rows=rows, offsets=offsets)


def _more(items: Matrix) -> int:
    """Count the pairs with another item than their own."""
    return int((np.diff(items.indptr) > 1).sum())


def described(found: Equivalents, base: str) -> Mapping[str, Any]:
    """Say what counts as equivalent, and for how many pairs something does."""
    return {
        "by": "the data, a shared caption or picture, or near-duplicates: captions or pictures "
        f"with a cosine of at least {NEAR} by {base}, at most {MOST} each",
        "pairs_with_named": found.counts["named"],
        "pairs_with_same_caption_or_picture": found.counts["same"],
        "pairs_with_near_duplicates_only": found.counts["near"],
    }
