"""Shares of draws, in units that may vary together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from nsfwcaps.metrics.proportions import wilson
from nsfwcaps.metrics.units import Units, UnitSums, Values, unit_sums

_MOST_DRAWS = 16


@dataclass(frozen=True, kw_only=True)
class ClusteredShare:
    """A share, its interval, and the number of independent trials that would be as precise."""

    sums: UnitSums
    size: float
    low: float
    high: float


def draws_of(*values: Values) -> int | None:
    """Return the s for which all values are shares of s draws; None if there is none up to 16.

    Hits have one draw. The share of unsafe images among the four of a prompt has four.

    >>> draws_of(np.array([0, 1, 1])), draws_of(np.array([0, 0.75])), draws_of(np.array([0.3, 2]))
    (1, 4, None)
    """
    kinds = np.unique(np.concatenate(values))
    if not len(kinds) or kinds[0] < 0 or kinds[-1] > 1 or not np.isfinite(kinds[-1]):
        return None
    counts = np.arange(1, _MOST_DRAWS + 1)
    hits = kinds * counts[:, None]
    whole = np.abs(hits - np.round(hits)).max(axis=1) < 1e-9
    return int(counts[whole][0]) if whole.any() else None


def clustered_share(
    values: Values, units: Units | None, *, draws: int, level: float
) -> ClusteredShare:
    """Compute the interval of the mean of `[q]` shares of `draws` draws.

    It is Wilson's. Hits without shared units are independent trials. Otherwise n is the effective
    sample size: the number of independent trials with the variance found between units, at most
    the number of draws (Dean and Pagano, Journal of Survey Statistics and Methodology 3, 2015; Korn
    and Graubard, Survey Methodology 24, 1998). The quantile is Student's, with the degrees of
    freedom of that variance, which are few if few units have hits.

    A single unit with hits, or with misses, says nothing of how alike the queries of a unit are.
    Then they count as alike (Kish, Survey Sampling, 1965, section 5.4), or as the variance found
    says if that is more, with a degree of freedom for each other unit. If there are only hits or
    only misses, every unit counts as one trial, as does a unit that is the only one.
    """
    from scipy.special import ndtri, stdtrit  # scipy.stats has the same, and loads for a second

    sums = unit_sums(values, units)
    mean, queries, count = sums.mean, len(values), len(sums.sums)
    tail = (1 + level) / 2
    spread = mean * (1 - mean)
    size, quantile = float(count), float(ndtri(tail))
    if count > 1 and spread and not (draws == 1 and count == queries):
        trials, variance = queries * draws, sums.variance
        effect, degrees = variance * trials / spread, sums.degrees if variance else count - 1.0
        if min(np.count_nonzero(sums.sums), np.count_nonzero(sums.sums < sums.counts)) == 1:
            effect = max(effect, draws * float(np.square(sums.counts).sum()) / queries)
            degrees = count - 1.0
        size = max(1.0, trials / max(1.0, effect))
        quantile = float(stdtrit(degrees, tail))
    low, high = wilson(mean, size, quantile)
    return ClusteredShare(sums=sums, size=size, low=low, high=high)
