"""How close pairs are: quartiles of their cosines, and targets that many of them share.

Arrays in, figures out. A cosine may be NaN: a pair with a fixed caption can lack one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nsfwcaps.enums import DifficultyLevel, Similarity
from nsfwcaps.mining.border import CosineBorder, border_of
from nsfwcaps.mining.deciding import cosines_by, deciding_cosines, similarity_of

if TYPE_CHECKING:
    import pyarrow as pa

Cosines = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

MOST_USED = 10
_NO_LABEL = "none"
_DIGITS = 4


@dataclass(frozen=True, kw_only=True)
class CosineSpread:
    """Distribution of the cosine over some pairs."""

    pairs: int
    quartiles: tuple[float, float, float] | None
    """Lower quartile, median and upper quartile; None without a cosine."""
    below: int | None
    """Pairs below the border; None without a border."""

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        quartiles = None if self.quartiles is None else list(self.quartiles)
        return {"pairs": self.pairs, "quartiles": quartiles, "below": self.below}


@dataclass(frozen=True, kw_only=True)
class Labels:
    """A label for each of p pairs: codes `[p]` into names; −1 for none."""

    codes: Codes
    names: Sequence[str]


def spread(cosines: Cosines, border: float | None) -> CosineSpread:
    """Summarise cosines `[p]`.

    >>> spread(np.array([0.1, 0.2, 0.3, 0.4, np.nan]), 0.25)
    CosineSpread(pairs=5, quartiles=(0.175, 0.25, 0.325), below=2)
    """
    known = cosines[~np.isnan(cosines)]
    quartiles = None
    if len(known):
        low, middle, high = (
            round(float(value), _DIGITS) for value in np.quantile(known, (0.25, 0.5, 0.75))
        )
        quartiles = low, middle, high
    below = None if border is None else int((known < border).sum())
    return CosineSpread(pairs=len(cosines), quartiles=quartiles, below=below)


def spreads(cosines: Cosines, labels: Labels, border: float | None) -> dict[str, CosineSpread]:
    """Summarise cosines `[p]` by label, the largest group first, ties by name.

    >>> labels = Labels(codes=np.array([1, 0, 1]), names=["b", "a"])
    >>> {name: found.pairs for name, found in spreads(np.zeros(3), labels, None).items()}
    {'a': 2, 'b': 1}
    """
    order = np.argsort(labels.codes, kind="stable")
    edges = np.searchsorted(labels.codes[order], np.arange(len(labels.names) + 1))
    groups = {
        name: spread(cosines[order[start:end]], border)
        for name, start, end in zip(labels.names, edges[:-1], edges[1:], strict=True)
        if end > start
    }
    return dict(sorted(groups.items(), key=lambda item: (-item[1].pairs, item[0])))


def most_used(targets: Labels, most: int = MOST_USED) -> dict[str, int]:
    """Return the pairs of the most used targets, ties by id.

    >>> most_used(Labels(codes=np.array([0, 2, 2, 1]), names=["y", "x", "z"]), most=2)
    {'z': 2, 'x': 1}
    """
    counts = np.bincount(targets.codes, minlength=len(targets.names))
    if len(counts) == 0:
        return {}
    least = np.partition(counts, max(0, len(counts) - most))[max(0, len(counts) - most)]
    candidates = np.flatnonzero(counts >= max(1, least)).tolist()
    ordered = sorted(candidates, key=lambda at: (-int(counts[at]), targets.names[at]))
    return {targets.names[at]: int(counts[at]) for at in ordered[:most]}


@dataclass(frozen=True, kw_only=True)
class PairQuality:
    """How close the pairs are."""

    encoder: str
    similarity: Similarity
    """What was compared; the cosines are of it."""
    border: CosineBorder | None
    no_border: str | None
    """Why there is no border."""
    overall: CosineSpread
    category: Mapping[str, CosineSpread]
    stage: Mapping[str, CosineSpread]
    """By level; empty before grading."""
    distinct_targets: int
    targets: Mapping[str, int]
    """Pairs of the most used targets, by id."""

    @property
    def title(self) -> str:
        """Which cosines these are, such as `Cosines of images by mini`."""
        return cosines_by(self.similarity, self.encoder)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, as the manifest has them."""
        return {
            "encoder": self.encoder,
            "similarity": self.similarity.value,
            "border": None if self.border is None else self.border.as_dict(),
            "no_border": self.no_border,
            "overall": self.overall.as_dict(),
            "category": {name: found.as_dict() for name, found in self.category.items()},
            "stage": {name: found.as_dict() for name, found in self.stage.items()},
            "distinct_targets": self.distinct_targets,
            "targets": [{"id": name, "pairs": count} for name, count in self.targets.items()],
        }


def quality_of(
    pairs: pa.Table, encoder: Mapping[str, Any], settings: Mapping[str, Any]
) -> PairQuality:
    """Measure pairs `[p]` by the cosine that chose their targets.

    They have `sim_text`, `safe_id` and, where known, `sim_image`, `category` and `stage`.

    Args:
        pairs: The pairs.
        encoder: Facts that embed recorded of the encoder.
        settings: Settings of mine.
    """
    border, no_border = border_of(encoder, settings)
    at = None if border is None else border.cosine
    similarity = similarity_of(settings)
    cosines = deciding_cosines(pairs, similarity)
    found = {
        name: spreads(cosines, _labels(pairs[name]), at) if name in pairs.column_names else {}
        for name in ("category", "stage")
    }
    targets = _labels(pairs["safe_id"])
    levels = [level.value for level in DifficultyLevel if level.value in found["stage"]]
    return PairQuality(
        encoder=str(encoder.get("name", "unknown")),
        similarity=similarity,
        border=border,
        no_border=no_border,
        overall=spread(cosines, at),
        category=found["category"],
        stage={level: found["stage"][level] for level in levels},
        distinct_targets=len(targets.names),
        targets=most_used(targets),
    )


def _labels(column: pa.ChunkedArray) -> Labels:
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_dictionary(column.type):
        column = column.cast("string").dictionary_encode()
    coded = column.unify_dictionaries().combine_chunks()
    names = coded.dictionary.to_pylist()
    if coded.null_count and _NO_LABEL not in names:
        names.append(_NO_LABEL)
    none = names.index(_NO_LABEL) if coded.null_count else -1
    codes = np.asarray(pc.fill_null(coded.indices, none)).astype(np.int64)
    return Labels(codes=codes, names=names)
