"""Cosines between the items of each pair, for histograms before and after training."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nsfwcaps.evaluation.inputs import MISSING, PairVectors
from nsfwcaps.metrics.answer_sets import Rows
from nsfwcaps.metrics.similarities import Vectors, pair_similarities

VERSION = 1

Cosines = npt.NDArray[np.float32]


def similarities(pairs: PairVectors) -> dict[str, Cosines]:
    """Cosines of the pairs that have both items, by kind of pair."""
    text, bad_text = (
        (pairs.safe_text, pairs.safe_text_of),
        (pairs.unsafe_text, pairs.unsafe_text_of),
    )
    image = pairs.safe_image, pairs.safe_image_of
    bad_image = pairs.unsafe_image, pairs.unsafe_image_of
    kinds = {
        "unsafe text\N{EN DASH}safe image": (bad_text, image),
        "unsafe text\N{EN DASH}own unsafe image": (bad_text, bad_image),
        "unsafe image\N{EN DASH}safe text": (bad_image, text),
        "unsafe image\N{EN DASH}own unsafe text": (bad_image, bad_text),
        "unsafe text\N{EN DASH}safe text": (bad_text, text),
    }
    found = {kind: _cosines(*one, *other) for kind, (one, other) in kinds.items()}
    return {kind: cosines for kind, cosines in found.items() if len(cosines)}


def _cosines(
    one: Vectors | None, one_of: Rows | None, other: Vectors | None, other_of: Rows | None
) -> Cosines:
    if one is None or one_of is None or other is None or other_of is None:
        return np.empty(0, dtype=np.float32)
    both = (one_of != MISSING) & (other_of != MISSING)
    return pair_similarities(one, one_of[both], other, other_of[both]).astype(np.float32)
