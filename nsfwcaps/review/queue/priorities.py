"""Order of the review queue by how informative each pair is.

A pair deserves review if the numbers alone do not settle it: its difficulty is close to a border
between levels, scorers disagree, or many pairs share its safe target. A random control share
remains, as only an unbiased sample shows the quality of the rest.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_DIGITS = 12
"""Values equal to this many digits count as equal: the rest is rounding error."""


class Reason(enum.StrEnum):
    """Why a pair has its place in the queue."""

    BORDER = "border"
    DISAGREEMENT = "disagreement"
    HUB = "hub"
    CONTROL = "control"


def nearness(values: Floats, borders: Sequence[float]) -> Floats:
    """Return how near values `[n]` are to the closest border, as ranks from 0 (far) to 1.

    >>> nearness(np.array([0.1, 0.5, 0.9]), [0.55]).round(2).tolist()
    [0.0, 1.0, 0.5]
    """
    if not borders:
        return np.zeros(len(values))
    gaps = np.abs(values[:, None] - np.asarray(borders)[None, :]).min(axis=1)
    return ranks(-np.round(gaps, _DIGITS))


def disagreement(scores: Mapping[str, Floats]) -> Floats:
    """Return how much scorers disagree on n items: the spread of its ranks, as ranks 0 to 1.

    Higher must mean the same for all scorers. Missing values are ignored; an item scored by fewer
    than two gets 0.

    >>> a, b = np.array([0.1, 0.2, 0.9]), np.array([0.1, 0.9, 0.2])
    >>> disagreement({"a": a, "b": b}).round(2).tolist()
    [0.0, 0.75, 0.75]
    """
    table = np.stack([ranks(values) for values in scores.values()])  # [scorers, n]
    known = np.isfinite(table)
    enough = known.sum(axis=0) >= 2
    spread = np.zeros(table.shape[1])
    if enough.any():
        spread[enough] = np.round(np.nanstd(table[:, enough], axis=0), _DIGITS)
    found = ranks(spread)
    return np.where(spread > 0, found, 0.0)


def hubness(counts: Floats) -> Floats:
    """Return how many pairs share each target, as ranks 0 to 1; 0 for unshared targets."""
    return np.where(counts > 1, ranks(counts), 0.0)


def ranks(values: Floats) -> Floats:
    """Return ranks `[n]` from 0 (lowest) to 1; ties share a rank, NaN stays NaN.

    >>> ranks(np.array([3.0, 1.0, np.nan, 3.0])).tolist()
    [0.75, 0.0, nan, 0.75]
    """
    from scipy.stats import rankdata

    found = np.full(len(values), np.nan)
    known = np.isfinite(values)
    count = int(known.sum())
    if count:
        found[known] = (rankdata(values[known]) - 1) / max(1, count - 1)
    return found


def order(
    signals: Mapping[Reason, Floats], *, control_share: float, seed: int
) -> tuple[npt.NDArray[np.int64], list[Reason]]:
    """Order n items `[n]`, most informative first, with the reason for each place.

    An item's priority is its highest signal. Items of the control share are drawn at random from
    all and spread evenly over the queue, so that a review that stops early includes its share.

    Raises:
        ValueError: the signals differ in length.
    """
    names = list(signals)
    table = np.stack([np.nan_to_num(signals[name]) for name in names])  # [signals, n]
    count = table.shape[1]
    shuffled = np.random.default_rng(seed).permutation(count)
    control = shuffled[: round(count * control_share)]
    rest = shuffled[len(control) :]
    # Stable sort over shuffled items: ties come in random order.
    rest = rest[np.argsort(-table[:, rest].max(axis=0), kind="stable")]
    places = np.concatenate([_spread(len(rest)), _spread(len(control))])
    merged = np.concatenate([rest, control])[np.argsort(places, kind="stable")]
    best = table.argmax(axis=0)
    drawn = np.zeros(count, dtype=bool)
    drawn[control] = True
    return merged, [
        Reason.CONTROL if drawn[item] else names[best[item]] for item in merged.tolist()
    ]


def _spread(count: int) -> Floats:
    """Return the midpoints `[count]` of equal parts of 0 to 1."""
    return (np.arange(count) + 0.5) / max(1, count)
