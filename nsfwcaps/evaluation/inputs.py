"""Task inputs: unit vectors of distinct items, and which rows form pairs.

Each distinct item has one row, however many pairs share it: captions by their text, images by
their bytes. Rows that no pair refers to are candidates but never queries.
"""

from __future__ import annotations

from dataclasses import dataclass

from nsfwcaps.evaluation.outcome import Names
from nsfwcaps.metrics.answer_sets import Rows, Sets
from nsfwcaps.metrics.similarities import Vectors

MISSING = -1
"""In `*_image_of`: the pair has no such image."""


@dataclass(frozen=True, kw_only=True)
class PairVectors:
    """Pairs of an unsafe and a safe item, each a caption and possibly an image.

    `*_of` `[p]` is the row of each pair in the array of that name. An unsafe item with several
    safe ones forms one pair with the first; the others are its equivalents.
    """

    safe_text: Vectors
    unsafe_text: Vectors
    safe_text_of: Rows
    unsafe_text_of: Rows
    safe_image: Vectors | None = None
    unsafe_image: Vectors | None = None
    safe_image_of: Rows | None = None
    """None if and only if `safe_image` is None; likewise `unsafe_image_of`."""
    unsafe_image_of: Rows | None = None
    partner_text_of: Rows | None = None
    """Row of each pair's partner in `safe_text`, or `MISSING`; None if no pair has a partner."""
    partner_image_of: Rows | None = None
    """Likewise in `safe_image`."""
    categories: Names | None = None
    """Category `[p]` of each pair."""
    equivalent_text: Sets | None = None
    """Set i: rows of `safe_text` as right for pair i as its own row, which the set may omit."""
    equivalent_image: Sets | None = None
    """Like `equivalent_text`, in `safe_image`; None if either of them is None."""


@dataclass(frozen=True, kw_only=True)
class MixedVectors:
    """Real unsafe images among safe ones, and unsafe captions among safe ones."""

    unsafe_image: Vectors
    safe_image: Vectors
    unsafe_text: Vectors
    safe_text: Vectors
    image_categories: Names | None = None
    """Category of each unsafe image."""
    text_categories: Names | None = None
    """Category of each unsafe caption."""
    text_units: Rows | None = None
    """Resampling unit of each unsafe caption; None: each is its own."""


@dataclass(frozen=True, kw_only=True)
class ZeroShotVectors:
    """Labelled images and the vectors of their classes."""

    images: Vectors
    classes: Vectors
    """`[c, d]`, from `metrics.zero_shot.class_vectors`."""
    labels: Rows
    """Row `[n]` of each image's class."""
    picture_of: Rows | None = None
    """Number `[n]` of each image's picture, equal for equal pictures; None: all differ."""
