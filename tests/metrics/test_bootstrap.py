"""Intervals that cover, tests that keep their level and see a real difference, Holm by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsfwcaps.metrics import bootstrap
from nsfwcaps.metrics.bootstrap import holm, interval, paired


def coin(random: np.random.Generator, count: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return (random.random(count) < 0.3).astype(np.float64)


def skewed(random: np.random.Generator, count: int) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return random.exponential(size=count)


@pytest.mark.parametrize(("draw", "mean"), [(coin, 0.3), (skewed, 1.0)])
def test_intervals_cover_the_mean_about_as_often_as_they_say(draw: object, mean: float) -> None:
    random = np.random.default_rng(0)
    covered = 0
    for trial in range(400):
        found = interval(draw(random, 150), seed=trial, samples=500)  # type: ignore[operator]
        covered += found.low <= mean <= found.high
    assert 0.91 <= covered / 400 <= 0.98


def test_width_is_that_of_the_normal_approximation() -> None:
    values = np.random.default_rng(0).normal(size=4000)
    found = interval(values, seed=1)
    error = values.std() / np.sqrt(len(values))
    assert found.high - found.low == pytest.approx(2 * 1.96 * error, rel=0.06)
    narrower = interval(values, seed=1, level=0.5)
    assert narrower.high - narrower.low == pytest.approx(2 * 0.6745 * error, rel=0.1)


def test_few_values_and_many_are_drawn_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """By counts or one by one: the same distribution of means."""
    values = np.repeat([0.0, 1.0, 0.5], [50, 30, 20])
    by_counts = interval(values, seed=0, samples=20_000)
    monkeypatch.setattr(bootstrap, "_FEW", 0)
    one_by_one = interval(values, seed=0, samples=20_000)
    assert by_counts.low == pytest.approx(one_by_one.low, abs=0.006)
    assert by_counts.high == pytest.approx(one_by_one.high, abs=0.006)


def test_blocks_change_nothing_but_the_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = np.random.default_rng(0).normal(size=(2, 200))
    whole = paired(a, b, seed=0)
    monkeypatch.setattr(bootstrap, "_BLOCK_VALUES", 1000)
    parts = paired(a, b, seed=0)
    assert parts.p == pytest.approx(whole.p, abs=0.02)
    assert parts.low == pytest.approx(whole.low, abs=0.02)


def test_the_seed_decides() -> None:
    a, b = np.random.default_rng(0).normal(size=(2, 100))
    assert paired(a, b, seed=3) == paired(a, b, seed=3)
    assert interval(a, seed=3) != interval(a, seed=4)


@pytest.mark.parametrize("value", [0.0, 1.0, 0.25])
def test_equal_values_are_certain(value: float) -> None:
    found = interval(np.full(50, value), seed=0)
    assert (found.low, found.high) == (value, value)
    assert paired(np.full(50, value), np.full(50, value), seed=0).p == 1


def test_no_values_have_no_interval() -> None:
    none = np.array([])
    assert np.isnan(interval(none, seed=0).low)
    assert np.isnan(paired(none, none, seed=0).p)
    with pytest.raises(ValueError, match="equal lengths, got"):
        paired(none, np.ones(1), seed=0)


def test_what_is_no_number_shows_nothing() -> None:
    values = np.random.default_rng(0).normal(size=100)
    broken = values.copy()
    broken[3] = np.nan
    assert np.isnan(interval(broken, seed=0).high)
    found = paired(values, broken, seed=0)
    assert np.isnan(found.p)
    assert np.isnan(found.difference)


def test_mcnemar_by_hand() -> None:
    # b alone is right in 6 of 8 that differ: p = 2 (28 + 8 + 1) / 256.
    a = np.array([0] * 6 + [1] * 2 + [1] * 5 + [0] * 4, dtype=float)
    b = np.array([1] * 6 + [0] * 2 + [1] * 5 + [0] * 4, dtype=float)
    found = paired(a, b, seed=0)
    assert found.p == pytest.approx(74 / 256)
    assert found.difference == pytest.approx(4 / 17)
    assert paired(b, a, seed=0).p == found.p
    assert paired(b, a, seed=0).difference == -found.difference


@given(st.lists(st.integers(-4, 4), min_size=1, max_size=8))
def test_flips_are_near_all_flips(differences: list[int]) -> None:
    sizes = np.array(differences, dtype=np.float64)
    sums = [abs(np.dot(signs, sizes)) for signs in itertools.product((-1, 1), repeat=len(sizes))]
    exact = np.mean([total >= abs(sizes.sum()) - 1e-9 for total in sums])
    # Values of other kinds than 0 and 1, so that no exact test takes over.
    found = paired(np.full(len(sizes), 9.0), 9 + sizes, seed=0)
    assert found.p == pytest.approx(exact, abs=0.02)


@pytest.mark.parametrize("yes_or_no", [True, False])
def test_under_the_null_few_p_are_small(yes_or_no: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "FLIPS", 1000)
    random = np.random.default_rng(0)
    small = 0
    for trial in range(400):
        a, b = random.random((2, 60))
        if yes_or_no:
            a, b = (a < 0.5).astype(float), (b < 0.5).astype(float)
        small += paired(a, b, seed=trial, samples=10).p < 0.05
    assert small / 400 < 0.08


def test_a_real_difference_is_seen() -> None:
    random = np.random.default_rng(0)
    hard = random.normal(size=300)  # shared by both models: pairing takes it out
    a, b = hard + 0.1 * random.normal(size=300), hard + 0.05 + 0.1 * random.normal(size=300)
    found = paired(a, b, seed=0)
    assert found.p == 1 / bootstrap.FLIPS
    assert 0 < found.low < 0.05 < found.high
    shuffled = paired(a, b[random.permutation(300)], seed=0)
    assert shuffled.p > 0.05


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1, 1]
    assert holm([]) == []
    adjusted = holm([0.04, float("nan"), 0.01])
    assert adjusted[0] == pytest.approx(0.04)
    assert np.isnan(adjusted[1])
    assert adjusted[2] == pytest.approx(0.02)


@given(st.lists(st.floats(0, 1), max_size=12))
def test_holm_keeps_the_order_and_lowers_nothing(p: list[float]) -> None:
    adjusted = holm(p)
    assert all(given <= made <= 1 for given, made in zip(p, adjusted, strict=True))
    for (one, made), (other, also) in itertools.combinations(zip(p, adjusted, strict=True), 2):
        assert not (one < other and made > also)
