"""Paired comparisons: published examples, coverage, level, and what interval and p agree on."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from nsfwcaps.metrics import paired_tests
from nsfwcaps.metrics.paired import Comparison, paired
from nsfwcaps.metrics.paired_tests import FLIPS, mcnemar, sign_flips

Values = npt.NDArray[np.float64]


def outcomes(both: int, lost: int, gained: int, neither: int) -> tuple[Values, Values]:
    """Hits of a and b with these numbers of queries."""
    counts = (both, lost, gained, neither)
    return np.repeat([1.0, 1, 0, 0], counts), np.repeat([1.0, 0, 1, 0], counts)


def compared(both: int, lost: int, gained: int, neither: int) -> Comparison:
    return paired(*outcomes(both, lost, gained, neither), seed=0)


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    # Newcombe 1998, table II, method 10.
    [((20, 2, 12, 16), 0.0562, 0.3292), ((36, 2, 12, 0), 0.0569, 0.3404)],
)
def test_newcombe_as_published(counts: tuple[int, int, int, int], low: float, high: float) -> None:
    found = compared(*counts)
    assert found.difference == pytest.approx(0.2)
    assert (found.low, found.high) == pytest.approx((low, high), abs=1e-4)


def test_no_query_that_differs_is_no_certainty() -> None:
    """Of 505 hits and misses none differs: a difference of .4 points is still plausible."""
    found = compared(190, 0, 0, 315)
    assert (found.difference, found.p) == (0, 1)
    assert (found.low, found.high) == pytest.approx((-0.0043, 0.0043), abs=1e-4)
    assert compared(50, 0, 0, 0).high == pytest.approx(0.0713, abs=1e-4)


CASES = [
    (50, (0.01, 0.01, 0.11)),
    (50, (0.3, 0.05, 0.05)),
    (200, (0.3, 0.06, 0.045)),
    (200, (0.5, 0.1, 0.05)),
    (505, (0.32, 0.06, 0.043)),
]
"""Queries, and the rates of hits of both, of a alone, of b alone."""


@pytest.mark.parametrize(("count", "rates"), CASES)
def test_differences_of_shares_are_covered_and_p_agrees(
    count: int, rates: tuple[float, float, float]
) -> None:
    """The second rates are the audit's: exact p and the percentile bootstrap disagreed in 20 %."""
    random = np.random.default_rng(0)
    truth, trials = rates[2] - rates[1], 1000
    covered = disagreed = 0
    for counts in random.multinomial(count, [*rates, 1 - sum(rates)], size=trials):
        found = compared(*counts.tolist())
        covered += found.low <= truth <= found.high
        disagreed += (found.low > 0 or found.high < 0) != (found.p < 0.05)
    assert 0.92 <= covered / trials <= 0.985  # above .97 only where one share is near 0
    assert disagreed / trials <= 0.02


def test_mid_p_keeps_the_level() -> None:
    """Exactly: the chance of p < .05 where gains and losses are equally likely."""
    for rate in (0.05, 0.1, 0.3, 0.6):
        chances = binom.pmf(np.arange(101), 100, rate)
        level = sum(
            float(chances[count] * binom.pmf(better, count, 0.5))
            for count in range(101)
            for better in range(count + 1)
            if mcnemar(better, count - better) < 0.05
        )
        assert level <= 0.051  # over the numbers that differ


def clustered(random: np.random.Generator, lift: float) -> tuple[Values, Values]:
    """Hits `[20, 10]` of 10 queries of each of 20 targets; b gains and loses by target."""
    rates = random.beta(0.45, 1.05, 20)[:, None]  # a mean of .3, a correlation of .4
    gains = random.beta(0.5, 0.5, 20)[:, None] * 2 * (lift + 0.015) / 0.7
    losses = random.beta(0.5, 0.5, 20)[:, None] * 2 * 0.05
    a = random.random((20, 10)) < rates
    b = (a & (random.random((20, 10)) >= losses)) | (~a & (random.random((20, 10)) < gains))
    return a.astype(float), b.astype(float)


@pytest.mark.parametrize("lift", [0.0, 0.1])
def test_clustered_differences_are_covered_and_keep_the_level(lift: float) -> None:
    random = np.random.default_rng(4)
    units = np.repeat(np.arange(20), 10)
    covered = small = 0
    for trial in range(500):
        a, b = clustered(random, lift)
        found = paired(a.ravel(), b.ravel(), seed=trial, units=units, flips=500)
        covered += found.low <= lift <= found.high
        small += found.p < 0.05
    assert covered / 500 >= 0.92
    assert small / 500 <= 0.06 if not lift else small / 500 >= 0.5


def test_flips_without_units_find_what_is_not_there() -> None:
    """Where one target decides ten queries, flips by query have far too small a p."""
    random = np.random.default_rng(5)
    units, alone, by_unit = np.repeat(np.arange(20), 10), 0, 0
    for trial in range(300):
        shift = np.repeat(random.normal(size=20), 10)
        a, b = np.full(200, 5.0), 5 + shift
        alone += paired(a, b, seed=trial, bounded=False, flips=400).p < 0.05
        by_unit += paired(a, b, seed=trial, bounded=False, flips=400, units=units).p < 0.05
    assert alone / 300 > 0.3
    assert by_unit / 300 <= 0.08


def test_skewed_differences_are_covered() -> None:
    random = np.random.default_rng(6)
    covered = 0
    for _ in range(1500):
        found = paired(np.zeros(50), random.exponential(size=50), seed=0, bounded=False, flips=2)
        covered += found.low <= 1 <= found.high
    assert 0.92 <= covered / 1500 <= 0.97


def test_blocks_change_nothing_but_the_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = np.random.default_rng(0).normal(size=(2, 200))
    whole = paired(a, b, seed=0, bounded=False)
    monkeypatch.setattr(paired_tests, "_BLOCK_VALUES", 1000)
    assert paired(a, b, seed=0, bounded=False).p == pytest.approx(whole.p, abs=0.02)


def test_few_sizes_and_many_are_flipped_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    differences = np.repeat([-2.0, -1, 0, 1, 2], [10, 20, 5, 30, 14])
    by_size = sign_flips(differences, seed=0)
    monkeypatch.setattr(paired_tests, "_FEW", 0)
    assert sign_flips(differences, seed=0) == pytest.approx(by_size, abs=0.01)
    assert 0.05 < by_size < 0.2


def test_the_seed_decides() -> None:
    a, b = np.random.default_rng(0).random(size=(2, 100))
    assert paired(a, b, seed=3) == paired(a, b, seed=3)
    assert paired(a, b, seed=3).p != paired(a, b, seed=4).p


def test_no_values_have_no_interval() -> None:
    none = np.array([])
    assert np.isnan(paired(none, none, seed=0).p)
    with pytest.raises(ValueError, match="equal lengths, got"):
        paired(none, np.ones(1), seed=0)


def test_a_difference_of_bounded_means_stays_within_bounds() -> None:
    """Three reciprocal ranks: without bounds the difference was from −3.6 to 3.6."""
    before, after = np.array([1.0, 1 / 7, 1 / 3]), np.array([1 / 7, 1.0, 1 / 3 + 0.1])
    free = paired(before, after, seed=0, bounded=False)
    assert free.low < -1
    assert free.high > 1
    found = paired(before, after, seed=0)
    assert (found.low, found.high) == (-1, 1)
    assert found.difference == pytest.approx(0.1 / 3)
    with pytest.raises(ValueError, match="needs a mean from 0 to 1, got 3"):
        paired(before, np.array([2.0, 3.0, 4.0]), seed=0)


def test_equal_differences_are_no_certainty() -> None:
    """MRR of which no query changed: Wilson's share of 0 of 50 may change by up to 1."""
    ranks = 1 / np.arange(1.0, 51)
    found = paired(ranks, ranks, seed=0)
    assert (found.low, found.high) == pytest.approx((-0.0713, 0.0713), abs=1e-4)
    assert np.isnan(paired(ranks, ranks, seed=0, bounded=False).low)
    assert np.isnan(paired(np.array([0.37, 0.41]), np.array([0.9, 0.23]), seed=0).low)


def test_ratios_are_no_shares() -> None:
    """Ratios of exactly 1 and 0 are no hits, so that no share's interval says how they differ."""
    ones = np.ones(50)
    assert np.isnan(paired(ones, ones, seed=0, bounded=False).low)


def test_what_is_no_number_shows_nothing() -> None:
    values = np.random.default_rng(0).normal(size=100)
    broken = values.copy()
    broken[3] = np.nan
    found = paired(values, broken, seed=0)
    assert np.isnan(found.p)
    assert np.isnan(found.difference)


def test_mcnemar_by_hand() -> None:
    # b alone is right in 6 of 8 that differ: p = 2 (28 / 2 + 8 + 1) / 256.
    a = np.array([0] * 6 + [1] * 2 + [1] * 5 + [0] * 4, dtype=float)
    b = np.array([1] * 6 + [0] * 2 + [1] * 5 + [0] * 4, dtype=float)
    found = paired(a, b, seed=0)
    assert found.p == pytest.approx(46 / 256)
    assert found.difference == pytest.approx(4 / 17)
    assert paired(b, a, seed=0).p == found.p
    assert paired(b, a, seed=0).difference == -found.difference


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=8))
def test_flips_are_near_all_flips(differences: list[int]) -> None:
    sizes = np.array(differences, dtype=np.float64)
    sums = [abs(np.dot(signs, sizes)) for signs in itertools.product((-1, 1), repeat=len(sizes))]
    exact = np.mean([total >= abs(sizes.sum()) - 1e-9 for total in sums])
    # Values of other kinds than 0 and 1, so that no exact test takes over.
    found = paired(np.full(len(sizes), 9.0), 9 + sizes, seed=0, bounded=False)
    assert found.p == pytest.approx(exact, abs=0.02)


@pytest.mark.parametrize("yes_or_no", [True, False])
def test_under_the_null_few_p_are_small(yes_or_no: bool) -> None:
    random = np.random.default_rng(0)
    small = 0
    for trial in range(400):
        a, b = random.random((2, 60))
        if yes_or_no:
            a, b = (a < 0.5).astype(float), (b < 0.5).astype(float)
        small += paired(a, b, seed=trial, flips=1000).p < 0.05
    assert small / 400 < 0.08


def test_a_real_difference_is_seen() -> None:
    random = np.random.default_rng(0)
    hard = random.normal(size=300)  # shared by both models: pairing takes it out
    a, b = hard + 0.1 * random.normal(size=300), hard + 0.05 + 0.1 * random.normal(size=300)
    found = paired(a, b, seed=0, bounded=False)
    assert found.p == 1 / FLIPS
    assert 0 < found.low < 0.05 < found.high
    shuffled = paired(a, b[random.permutation(300)], seed=0, bounded=False)
    assert shuffled.p > 0.05
