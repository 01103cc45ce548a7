"""What tasks are given: unit rows of distinct items, and which rows belong together.

An item stands in its array once, however many pairs share it: a caption by its words, an image
by its content. Arrays may hold items that no pair names; they are candidates and ask nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from nsfwcaps.evaluation.outcome import Names
from nsfwcaps.metrics.answer_sets import Rows, Sets
from nsfwcaps.metrics.similarities import Vectors

MISSING = -1
"""In `*_image_of`: this pair has no such image."""


@dataclass(frozen=True, kw_only=True)
class PairVectors:
    """Pairs of an unsafe and a safe item, each a caption and, where there are any, an image.

    `*_of` `[p]` are the row of each pair in the array of its name. An unsafe item with several
    safe ones has one pair, its first; the others are its equivalents.
    """

    safe_text: Vectors
    unsafe_text: Vectors
    safe_text_of: Rows
    unsafe_text_of: Rows
    safe_image: Vectors | None = None
    unsafe_image: Vectors | None = None
    safe_image_of: Rows | None = None
    """None exactly where `safe_image` is; so is `unsafe_image_of`."""
    unsafe_image_of: Rows | None = None
    categories: Names | None = None
    """Category `[p]` of each pair."""
    equivalent_text: Sets | None = None
    """Set i: rows of `safe_text` that are as right for pair i as its own, which need not be in."""
    equivalent_image: Sets | None = None
    """The same among `safe_image`; None where `equivalent_text` or `safe_image` is."""


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


@dataclass(frozen=True, kw_only=True)
class ZeroShotVectors:
    """Labelled images and the vectors of their classes."""

    images: Vectors
    classes: Vectors
    """`[c, d]`, from `metrics.zero_shot.class_vectors`."""
    labels: Rows
    """Row `[n]` of each image's class."""
