"""The cosine that chose the targets: of texts, of pictures, or the mean of both.

`--min-similarity` refers to it, and `grade`, the quality of the pairs and `show` read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nsfwcaps.enums import Pairing, Similarity

if TYPE_CHECKING:
    import pyarrow as pa

COSINES = ("sim_text", "sim_image")
"""Columns that it is computed from."""

_OF = {Similarity.TEXT: "", Similarity.IMAGE: " of images", Similarity.BOTH: " of texts and images"}


def similarity_of(settings: Mapping[str, Any]) -> Similarity:
    """Return what the settings of mine compare; partners are measured by their texts."""
    if settings.get("pairing") == Pairing.PARTNER:
        return Similarity.TEXT
    return Similarity(settings.get("similarity", Similarity.TEXT))


def deciding_cosines(pairs: pa.Table, by: Similarity) -> npt.NDArray[np.float64]:
    """Return the cosine `[p]` that chose the targets of pairs; NaN where one is missing."""
    text, image = (_column(pairs, name) for name in COSINES)
    return {Similarity.TEXT: text, Similarity.IMAGE: image, Similarity.BOTH: (text + image) / 2}[by]


def cosines_by(by: Similarity, encoder: str) -> str:
    """Name the cosines.

    >>> cosines_by(Similarity.IMAGE, "mini")
    'Cosines of images by mini'
    """
    return f"Cosines{_OF[by]} by {encoder}"


def _column(pairs: pa.Table, name: str) -> npt.NDArray[np.float64]:
    if name not in pairs.column_names:
        return np.full(pairs.num_rows, np.nan)
    return np.asarray(pairs[name].to_numpy(), dtype=np.float64)
