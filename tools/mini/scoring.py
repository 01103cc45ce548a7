"""Scores of heads on worlds and photographs."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nsfwcaps.metrics.retrieval import ranks, recall, unsafe_first
from nsfwcaps.training.validation import validate
from nsfwcaps.world.edits import HazardEdit
from tools.mini.heads import Heads
from tools.mini.worlds import PairWorld, Photographs

Vectors = npt.NDArray[np.float32]
Scores = dict[str, float]


def of_world(heads: Heads, world: PairWorld) -> Scores:
    """R@1 in four directions, share of unsafe first hits, and hits among all closest safe items."""
    safe_text, safe_image = heads.unit(world.safe)
    unsafe_text, unsafe_image = heads.unit(world.unsafe)
    own = np.arange(len(world.unsafe.ids))
    found = validate(
        safe_text=safe_text,
        safe_image=safe_image,
        unsafe_text=unsafe_text,
        unsafe_image=unsafe_image,
        safe_of_pair=(world.partner, world.partner),
        unsafe_of_pair=(own, own),
    )
    return {
        "T→V": found.safe_text_to_image,
        "V→T": found.safe_image_to_text,
        "T*→V": found.unsafe_text_to_image,
        "V*→T": found.unsafe_image_to_text,
        "unsafe first": found.unsafe_first,
        **_by_edit(world, unsafe_text, np.concatenate([safe_image, unsafe_image])),
        "T*→V closest": _closest(world, unsafe_text, safe_image, unsafe_image),
        "V*→T closest": _closest(world, unsafe_image, safe_text, unsafe_text),
    }


def _by_edit(world: PairWorld, queries: Vectors, candidates: Vectors) -> Scores:
    """R@1 of the partner where a hazard was added to it, and where it replaced a thing."""
    found = ranks(queries, candidates, world.partner)
    return {f"T*→V {edit}": recall(found[world.edits == edit], 1) for edit in HazardEdit}


def _closest(world: PairWorld, queries: Vectors, safe: Vectors, unsafe: Vectors) -> float:
    """Share of queries whose first hit is one of the closest safe items by graph distance."""
    assert world.closest is not None
    sims = queries @ safe.T
    first = sims.argmax(axis=1)
    is_safe = ~unsafe_first(queries, safe, unsafe)
    return float((world.closest[np.arange(len(first)), first] & is_safe).mean())


def of_photographs(heads: Heads, photographs: Photographs) -> tuple[float, float]:
    """R@1 of captions, and of images, where any of an image's captions is a hit."""
    text, image = heads.unit(photographs)
    to_image = recall(ranks(text, image, photographs.own), 1)
    first = (image @ text.T).argmax(axis=1)
    return to_image, float((photographs.own[first] == np.arange(len(image))).mean())
