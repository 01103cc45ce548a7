"""Which pairs decide most: numpy in, an order out.

A pair is worth a look where the numbers alone do not settle it: close to a border of the grading
(one vote would move it to another level), where scorers disagree, and where one safe target serves
many. A share drawn at random stays, whatever the numbers say: only it tells how good the rest is.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_DIGITS = 12
"""Values that differ only behind these are equal: what lies there is rounding."""


class Reason(enum.StrEnum):
    """Why a pair stands where it does in the queue."""

    BORDER = "border"
    DISAGREEMENT = "disagreement"
    HUB = "hub"
    CONTROL = "control"


def nearness(values: Floats, borders: Sequence[float]) -> Floats:
    """How near values `[n]` are to the nearest border, as ranks from 0 (far) to 1.

    >>> nearness(np.array([0.1, 0.5, 0.9]), [0.55]).round(2).tolist()
    [0.0, 1.0, 0.5]
    """
    if not borders:
        return np.zeros(len(values))
    gaps = np.abs(values[:, None] - np.asarray(borders)[None, :]).min(axis=1)
    return ranks(-np.round(gaps, _DIGITS))


def disagreement(scores: Mapping[str, Floats]) -> Floats:
    """How far scorers are apart on each of n items: spread of its ranks by each, as ranks 0 to 1.

    Higher must mean the same for all. Missing values do not count; an item that fewer than two
    scored gets 0.

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
    """How many pairs share each one's target, as ranks 0 to 1; 0 for targets of one pair."""
    return np.where(counts > 1, ranks(counts), 0.0)


def ranks(values: Floats) -> Floats:
    """Ranks `[n]` from 0, the lowest, to 1; equal values share one, NaN stays NaN.

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
    """Order of n items `[n]`, the most telling first, and why each stands where it does.

    An item's worth is its highest signal. Items of the control share are drawn at random from all
    and spread evenly over the queue, so that whoever stops early has their share of them too.

    Raises:
        ValueError: the signals are not of one length.
    """
    names = list(signals)
    table = np.stack([np.nan_to_num(signals[name]) for name in names])  # [signals, n]
    count = table.shape[1]
    shuffled = np.random.default_rng(seed).permutation(count)
    control = shuffled[: round(count * control_share)]
    rest = shuffled[len(control) :]
    # Stable over the shuffled items: those of equal worth come in random order.
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
    """Places `[count]` in the middle of as many equal parts of 0 to 1."""
    return (np.arange(count) + 0.5) / max(1, count)
