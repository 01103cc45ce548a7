"""Intervals cover as often as they say: exactly computed for shares, simulated for the rest."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from scipy.stats import binom

from nsfwcaps.metrics.intervals import interval
from nsfwcaps.metrics.proportions import wilson
from nsfwcaps.metrics.zero_shot import class_recalls

Values = npt.NDArray[np.float64]
Random = np.random.Generator

RATES = (0.01, 0.02, 0.05, 0.1, 0.3, 0.5, 0.9, 0.98, 0.99)


def coverage_of_hits(count: int, rate: float) -> float:
    """Exact: the chance of all numbers of hits whose interval holds the rate."""
    total = 0.0
    for hits in range(count + 1):
        found = interval((np.arange(count) < hits).astype(float))
        total += float(binom.pmf(hits, count, rate)) * (found.low <= rate <= found.high)
    return total


@pytest.mark.parametrize("count", [50, 200])
def test_shares_are_covered(count: int) -> None:
    found = {rate: coverage_of_hits(count, rate) for rate in RATES}
    if count == 50:
        # 0 or 1 of 50, the likely ones, together have .911; the next attainable value is .986.
        assert float(binom.cdf(1, 50, 0.01)) == pytest.approx(0.9106, abs=1e-4)
        assert float(binom.cdf(2, 50, 0.01)) == pytest.approx(0.9862, abs=1e-4)
        assert found.pop(0.01) == pytest.approx(0.9106, abs=1e-4)
        assert found.pop(0.99) == pytest.approx(0.9106, abs=1e-4)
    assert all(0.92 <= covered <= 0.971 for covered in found.values()), found


def exponential(random: Random) -> Values:
    return random.exponential(size=50)


def lognormal(random: Random) -> Values:
    return random.lognormal(size=50)


def reciprocal_ranks(random: Random) -> Values:
    return 1 / random.geometric(0.1, 200)


MEAN_RECIPROCAL = float(-0.1 / 0.9 * np.log(0.1))


@pytest.mark.parametrize(
    ("draw", "mean", "bounded"),
    [
        (exponential, 1.0, False),
        (lognormal, float(np.exp(0.5)), False),
        (reciprocal_ranks, MEAN_RECIPROCAL, True),
    ],
)
def test_skewed_means_are_covered(
    draw: Callable[[Random], Values], mean: float, bounded: bool
) -> None:
    random = np.random.default_rng(0)
    found = [interval(draw(random), bounded=bounded) for _ in range(4000)]
    covered = np.mean([one.low <= mean <= one.high for one in found])
    assert 0.92 <= covered <= 0.97


# Rates differ between units: beta with this correlation between two queries of a unit.
@pytest.mark.parametrize("rate", [0.02, 0.05, 0.1, 0.3, 0.5])
@pytest.mark.parametrize("correlation", [0.1, 0.4, 0.9])
def test_shares_of_clustered_queries_are_covered(rate: float, correlation: float) -> None:
    """200 queries of 20 targets. Without units the coverage is as low as .10."""
    random = np.random.default_rng(1)
    units = np.repeat(np.arange(20), 10)
    strength = (1 - correlation) / correlation
    covered = 0
    for _ in range(1000):
        rates = random.beta(rate * strength, (1 - rate) * strength, 20)
        hits = (random.random(200) < rates[units]).astype(float)
        found = interval(hits, units=units)
        covered += found.low <= rate <= found.high
    # With .9, it is almost a share of 20, whose coverage has few values.
    assert 0.92 <= covered / 1000 <= (1 if correlation == 0.9 else 0.97 if rate >= 0.3 else 0.99)


def test_without_units_clustered_queries_are_not_covered() -> None:
    random = np.random.default_rng(1)
    units = np.repeat(np.arange(20), 10)
    covered = 0
    for _ in range(400):
        rates = random.beta(0.3, 0.7, 20)
        found = interval((random.random(200) < rates[units]).astype(float))
        covered += found.low <= 0.3 <= found.high
    assert covered / 400 < 0.7


def test_means_of_clustered_queries_are_covered() -> None:
    """Units of one to nine queries, with skewed values that share much of theirs."""
    random = np.random.default_rng(2)
    covered = 0
    for _ in range(1500):
        units = np.repeat(np.arange(80), random.integers(1, 10, 80))
        values = 3 * random.exponential(size=80)[units] + random.exponential(size=len(units))
        found = interval(values, units=units, bounded=False)
        covered += found.low <= 4 <= found.high
    assert 0.92 <= covered / 1500 <= 0.97


def test_shares_of_several_draws_are_covered() -> None:
    """Four rare draws a query, half of the queries without any chance of one."""
    random = np.random.default_rng(3)
    covered = 0
    for _ in range(1500):
        rates = 0.04 * (random.random(100) < 0.5)
        found = interval(random.binomial(4, rates) / 4)
        covered += found.low <= 0.02 <= found.high
    assert 0.92 <= covered / 1500 <= 0.98


@pytest.mark.parametrize(
    ("hits", "count", "low", "high"),
    # Wilson's formula, by hand: 0 of n ends at z² / (n + z²).
    [(0, 50, 0.0, 0.0713), (50, 50, 0.9287, 1.0), (0, 20, 0.0, 0.1611), (9, 10, 0.5958, 0.9821)],
)
def test_share_by_hand(hits: int, count: int, low: float, high: float) -> None:
    found = interval((np.arange(count) < hits).astype(float))
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-4)


def test_no_hit_in_units_counts_each_unit_once() -> None:
    """0 of 200 in 20 units is as 0 of 20."""
    found = interval(np.zeros(200), units=np.repeat(np.arange(20), 10))
    assert (found.low, found.high) == pytest.approx(wilson(0, 20))


def test_equal_queries_of_a_unit_are_as_one_query() -> None:
    """Ten copies of each query tell no more than the query does, but for Student's quantile."""
    hits = (np.arange(60) < 21).astype(float)
    copied = interval(np.repeat(hits, 10), units=np.repeat(np.arange(60), 10))
    # The variance between 60 units is p (1 - p) / 59; the quantile has 59 degrees.
    assert (copied.low, copied.high) == pytest.approx(wilson(0.35, 59, 2.00100), abs=1e-5)


def test_few_units_with_hits_have_few_degrees_of_freedom() -> None:
    """2 of 20 units hold all hits: kurtosis 8.11, so 2 / (2 / 19 + 5.11 / 20) = 5.54 degrees."""
    hits = np.repeat((np.arange(20) < 2).astype(float), 10)
    found = interval(hits, units=np.repeat(np.arange(20), 10))
    assert (found.low, found.high) == pytest.approx(wilson(0.1, 19, 2.4966), abs=1e-4)


def test_units_of_one_query_change_little() -> None:
    values = np.random.default_rng(0).exponential(size=300)
    plain = interval(values, bounded=False)
    alone = interval(values, units=np.arange(300) * 7, bounded=False)
    assert (alone.low, alone.high) == pytest.approx((plain.low, plain.high))
    hits = (values < 0.2).astype(float)
    assert interval(hits, units=np.arange(300)[::-1]) == interval(hits)


def test_width_is_that_of_the_normal_approximation() -> None:
    values = np.random.default_rng(0).normal(size=4000)
    found = interval(values, bounded=False)
    error = values.std() / np.sqrt(len(values))
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.002)
    narrower = interval(values, bounded=False, level=0.5)
    assert narrower.high - narrower.low == pytest.approx(2 * 0.6745 * error, rel=0.002)


def test_hall_by_hand() -> None:
    """Mean 0, error 1, skewness 2; Student's quantile of 3 degrees is 3.18245."""
    found = interval(np.array([-1.0, -1, -1, 3]), bounded=False)
    a, b = 2 / (3 * 2), 2 / (6 * 2)

    def transformed(t: float) -> float:
        return t + a * t**2 + a**2 * t**3 / 3 + b

    assert transformed(-found.low) == pytest.approx(3.18245, abs=1e-4)
    assert transformed(-found.high) == pytest.approx(-3.18245, abs=1e-4)


def test_symmetric_values_have_the_t_interval() -> None:
    found = interval(np.array([-1.0, 0, 1]), bounded=False)
    assert (found.low, found.high) == pytest.approx((-2.48414, 2.48414), abs=1e-4)


def test_bounded_means_stay_within_bounds() -> None:
    values = np.append(np.full(3, 0.9), 0.999)
    assert interval(values).high == 1
    assert interval(values, bounded=False).high > 1


def test_no_negative_value_means_no_negative_end() -> None:
    drifts = np.append(np.full(5, 0.001), 1.5)
    assert interval(drifts, bounded=False).low == 0
    assert interval(drifts - 0.01, bounded=False).low < 0


def test_weighted_hits_keep_their_mean_within_bounds() -> None:
    """3 images of 2 classes, of which the image alone in its class is right: a recall of .5."""
    hits, labels = np.array([False, False, True]), np.array([0, 0, 1])
    recalls = class_recalls(hits, labels)
    assert recalls.tolist() == [0, 0, 1.5]
    found = interval(recalls)
    assert (found.low, found.high) == (0, 1)


def test_a_bounded_mean_outside_of_its_bounds_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a mean from 0 to 1, got 2"):
        interval(np.array([1.0, 2.0, 3.0]))


def test_unbounded_values_that_are_equal_have_no_interval() -> None:
    found = interval(np.ones(50), bounded=False)
    assert np.isnan(found.low)
    assert np.isnan(found.high)


@pytest.mark.parametrize("count", [3, 20, 500])
def test_equal_values_of_a_bounded_figure_have_a_width(count: int) -> None:
    """MRR where every rank is the third: up to Wilson's share of 0 of n may be other ranks."""
    found = interval(np.full(count, 0.37))
    unseen = wilson(0, count)[1]
    assert found.low == pytest.approx(0.37 * (1 - unseen))
    assert found.high == pytest.approx(0.37 + 0.63 * unseen)
    if count == 20:
        assert (found.low, found.high) == pytest.approx((0.3104, 0.4715), abs=1e-4)


def test_fewer_than_three_units_have_no_interval() -> None:
    for values, bounded in ((np.array([0.869, 0.869]), False), (np.array([0.2, 0.37]), True)):
        found = interval(values, bounded=bounded)
        assert np.isnan(found.low)
        assert np.isnan(found.high)
    found = interval(np.array([0.2, 0.37, 0.41, 0.6]), units=np.array([0, 0, 1, 1]))
    assert np.isnan(found.low)


def test_what_has_no_interval() -> None:
    for values in (np.array([]), np.array([1.0, np.nan]), np.array([0.37])):
        found = interval(values)
        assert np.isnan(found.low)
        assert np.isnan(found.high)
    with pytest.raises(ValueError, match="need a unit for each value, got 2 for 3"):
        interval(np.ones(3), units=np.arange(2))


def test_one_query_of_a_share_is_uncertain() -> None:
    found = interval(np.ones(1))
    assert (found.low, found.high) == pytest.approx((0.2065, 1.0), abs=1e-4)


def test_a_single_hit_has_an_interval_between_those_of_none_and_of_two() -> None:
    """51 queries of 39 units, 12 of them with two: 75 / 51 trials of a unit are worth one."""
    units = np.concatenate([np.arange(39), np.arange(12)])
    found = [interval((np.arange(51) >= 51 - hits).astype(float), units=units) for hits in range(6)]
    assert [round(100 * item.high, 1) for item in found] == [9.0, 13.8, 17.9, 18.5, 20.1, 22.1]
    single = wilson(1 / 51, 51 * 51 / 75, 2.0244)  # Student's quantile for 38 degrees
    assert (found[1].low, found[1].high) == pytest.approx(single, abs=1e-4)
    lows = [item.low for item in found]
    assert lows == sorted(lows)
