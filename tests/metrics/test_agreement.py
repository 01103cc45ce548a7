"""Agreement by hand, by published examples, by other libraries on random tables; its intervals."""

from __future__ import annotations

import doctest
import itertools

import krippendorff
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from nltk.metrics.agreement import AnnotationTask
from nltk.metrics.distance import binary_distance
from sklearn.metrics import cohen_kappa_score

from nsfwcaps.metrics import agreement as module
from nsfwcaps.metrics import agreement_bootstrap
from nsfwcaps.metrics.agreement import Coefficient, Level, Name, Ratings, agreement
from nsfwcaps.metrics.agreement_bootstrap import Floats

NAN = float("nan")

FOUR_CODERS = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
        [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
    ]
).T
"""Krippendorff, Computing Krippendorff's Alpha-Reliability, 2011; `raw_4raters` of irrCAC."""


def found(
    table: Floats, level: Level = Level.NOMINAL, *, categories: int, resamples: int = 20
) -> dict[Name, Coefficient]:
    ratings = Ratings(table=np.asarray(table, dtype=np.float64), categories=categories)
    got = agreement(ratings, level, seed=0, resamples=resamples, shared=1)
    return {one.name: one for one in got}


def values(table: Floats, level: Level = Level.NOMINAL, *, categories: int) -> dict[Name, float]:
    return {name: one.value for name, one in found(table, level, categories=categories).items()}


def confused(confusion: list[list[int]]) -> Floats:
    """Ratings by two raters, of as many items as each cell says."""
    cells = np.array(confusion)
    return np.repeat(np.argwhere(cells >= 0), cells.ravel(), axis=0).astype(np.float64)


def drawn(seed: int, *, missing: float = 0.6) -> Floats:
    """Forty items in four categories by six raters, who often agree and often skip."""
    random = np.random.default_rng(seed)
    table = random.integers(0, 4, (40, 6)).astype(np.float64)
    table[:, 1:] = np.where(random.random((40, 5)) < 0.6, table[:, :1], table[:, 1:])
    table[random.random(table.shape) < missing] = np.nan
    return table


def triples(table: Floats) -> list[tuple[int, int, int]]:
    return [(int(i), int(r), int(table[i, r])) for i, r in np.argwhere(~np.isnan(table))]


def task(table: Floats, distance: object = binary_distance) -> AnnotationTask:
    return AnnotationTask([(rater, item, value) for item, rater, value in triples(table)], distance)


some_tables = st.integers(1, 12).flatmap(
    lambda items: arrays(
        np.float64, (items, 4), elements=st.sampled_from([NAN, 0.0, 1.0, 2.0, 3.0])
    )
)


def test_the_docstring_holds() -> None:
    assert doctest.testmod(module).failed == 0


# Published figures


def test_krippendorffs_four_coders() -> None:
    """0.743 and 0.815 are his; the others are those of irrCAC 0.4.4, which has the same table."""
    nominal = values(FOUR_CODERS - 1, categories=5)
    assert nominal[Name.ALPHA] == pytest.approx(0.743, abs=5e-4)
    assert nominal[Name.RAW] == pytest.approx(0.81818, abs=1e-5)
    assert nominal[Name.FLEISS] == pytest.approx(0.76117, abs=1e-5)
    assert nominal[Name.AC1] == pytest.approx(0.77544, abs=1e-5)
    ordinal = values(FOUR_CODERS - 1, Level.ORDINAL, categories=5)
    assert ordinal[Name.ALPHA] == pytest.approx(0.815, abs=5e-4)
    assert ordinal[Name.RAW] == nominal[Name.RAW]
    assert ordinal[Name.FLEISS] == pytest.approx(0.8649350649, abs=1e-9)
    assert ordinal[Name.AC2] == pytest.approx(0.8989397699, abs=1e-9)
    one = found(FOUR_CODERS - 1, categories=5)[Name.ALPHA]
    assert (one.items, one.ratings, one.raters) == (11, 40, 4)


def test_a_rare_category_pulls_kappa_down_and_not_ac1() -> None:
    """Of 125 items 118 and 0 alike, 5 and 2 not: by hand, from the formulas of both."""
    got = values(confused([[118, 5], [2, 0]]), categories=2)
    both = (120 / 125) * (123 / 125) + (5 / 125) * (2 / 125)
    assert got[Name.RAW] == pytest.approx(118 / 125)
    assert got[Name.COHEN] == pytest.approx((118 / 125 - both) / (1 - both))
    assert -0.03 < got[Name.COHEN] < 0
    rare = 7 / 250
    assert got[Name.AC1] == pytest.approx(
        (118 / 125 - 2 * rare * (1 - rare)) / (1 - 2 * rare * (1 - rare))
    )
    assert got[Name.AC1] == pytest.approx(0.9408, abs=1e-4)


def test_cohens_own_table() -> None:
    """Cohen 1960, table 1: three categories in hundredths, kappa .492."""
    got = values(confused([[44, 5, 1], [7, 20, 3], [9, 5, 6]]), categories=3)
    assert got[Name.COHEN] == pytest.approx(0.492, abs=5e-4)


def test_fleiss_own_table() -> None:
    """Fourteen raters, ten items, five categories, kappa .210, as on Wikipedia's page on it."""
    counts = [
        [0, 0, 0, 0, 14],
        [0, 2, 6, 4, 2],
        [0, 0, 3, 5, 6],
        [0, 3, 9, 2, 0],
        [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0],
        [3, 2, 6, 3, 0],
        [2, 5, 3, 2, 2],
        [6, 5, 2, 1, 0],
        [0, 2, 2, 3, 7],
    ]
    table = np.array([np.repeat(np.arange(5), row) for row in counts])
    assert values(table, categories=5)[Name.FLEISS] == pytest.approx(0.210, abs=5e-4)


def test_pairs_of_raters_weigh_by_what_they_share() -> None:
    """By hand: the first two share four items, kappa 1/2, the last two share two, kappa 1."""
    table = [[0, 0, NAN], [1, 1, NAN], [0, 0, NAN], [0, 1, NAN], [NAN, 0, 0], [NAN, 1, 1]]
    assert values(np.array(table), categories=2)[Name.COHEN] == pytest.approx((4 / 2 + 2) / 6)


# Other libraries


@pytest.mark.parametrize(
    ("seed", "fleiss", "weighted_fleiss", "ac1", "ac2"),
    [
        (0, 0.4519813876, 0.4072863184, 0.4974506374, 0.6727026671),
        (1, 0.46941135, 0.2612049973, 0.5191950811, 0.6012870133),
        (2, 0.5670554646, 0.565369101, 0.6071633325, 0.7432211396),
        (3, 0.2899400353, 0.3199977361, 0.3543835121, 0.6561567486),
        (4, 0.2455983474, 0.3186469764, 0.3084324562, 0.6030720319),
        (5, 0.488133767, 0.4536648487, 0.5498068017, 0.7694412867),
        (6, 0.3124632249, 0.2390192483, 0.3727567521, 0.6139059753),
        (7, 0.4212392382, 0.407010218, 0.4926802292, 0.6864687362),
    ],
)
def test_fleiss_and_gwet_are_those_of_irr_cac(
    seed: int, fleiss: float, weighted_fleiss: float, ac1: float, ac2: float
) -> None:
    """irrCAC 0.4.4 wants scipy 1.12.0, so it was run elsewhere: on a scale of five, one unused.

    `CAC(table, weights=…, categories=[0, 1, 2, 3, 4], digits=12)`: `fleiss()` with identity and
    quadratic weights, `gwet()` with identity and ordinal ones.
    """
    nominal = values(drawn(seed), categories=5)
    ordinal = values(drawn(seed), Level.ORDINAL, categories=5)
    assert nominal[Name.FLEISS] == pytest.approx(fleiss, abs=1e-9)
    assert nominal[Name.AC1] == pytest.approx(ac1, abs=1e-9)
    assert ordinal[Name.FLEISS] == pytest.approx(weighted_fleiss, abs=1e-9)
    assert ordinal[Name.AC2] == pytest.approx(ac2, abs=1e-9)


@given(some_tables)
def test_alpha_is_that_of_krippendorff(table: Floats) -> None:
    paired = table[(~np.isnan(table)).sum(axis=1) > 1]
    varied = len(np.unique(paired[~np.isnan(paired)])) > 1
    for level in Level:
        got = values(table, level, categories=4)[Name.ALPHA]
        if varied:
            counts = (table[:, :, None] == np.arange(4)).sum(axis=1)
            want = krippendorff.alpha(value_counts=counts, level_of_measurement=level.value)
            assert got == pytest.approx(want, abs=1e-9)
        else:
            assert np.isnan(got)


@pytest.mark.parametrize("seed", range(10))
def test_alpha_is_that_of_nltk(seed: int) -> None:
    table = drawn(seed)
    paired = table[(~np.isnan(table)).sum(axis=1) > 1]
    of_each = [(paired == category).sum() for category in range(4)]

    def ordinal(one: int, other: int) -> float:
        low, high = sorted((one, other))
        return float(sum(of_each[low : high + 1]) - (of_each[low] + of_each[high]) / 2) ** 2

    nominal = values(table, categories=4)[Name.ALPHA]
    assert nominal == pytest.approx(task(table).alpha())
    ranked = values(table, Level.ORDINAL, categories=4)[Name.ALPHA]
    assert ranked == pytest.approx(task(table, ordinal).alpha())


@pytest.mark.parametrize("seed", range(10))
def test_kappas_are_those_of_nltk_where_all_rate_all(seed: int) -> None:
    table = drawn(seed, missing=0)

    def squared(one: int, other: int) -> float:
        return float(one - other) ** 2

    nominal = values(table, categories=4)
    assert nominal[Name.RAW] == pytest.approx(task(table).avg_Ao())
    assert nominal[Name.COHEN] == pytest.approx(task(table).kappa())
    assert nominal[Name.FLEISS] == pytest.approx(task(table).pi())
    two = values(table[:, :2], categories=4)
    assert two[Name.COHEN] == pytest.approx(task(table[:, :2]).multi_kappa())
    ordinal = values(table, Level.ORDINAL, categories=4)
    assert ordinal[Name.COHEN] == pytest.approx(task(table, squared).weighted_kappa())


@pytest.mark.parametrize("level", list(Level))
@pytest.mark.parametrize("seed", range(10))
def test_cohen_is_scikit_learns_for_each_pair(seed: int, level: Level) -> None:
    table = drawn(seed, missing=0.4)
    weights = None if level is Level.NOMINAL else "quadratic"
    kappas, shared = [], []
    for pair in itertools.combinations(range(6), 2):
        both = table[:, pair]
        both = both[~np.isnan(both).any(axis=1)].astype(int)
        kappas.append(cohen_kappa_score(*both.T, labels=range(4), weights=weights))
        shared.append(len(both))
    want = np.average(kappas, weights=shared)
    assert values(table, level, categories=4)[Name.COHEN] == pytest.approx(want)


@given(some_tables)
def test_cohen_is_scikit_learns_on_any_table(table: Floats) -> None:
    """Where all ratings of a pair are equal, scikit-learn warns; such pairs are left out."""
    for level in Level:
        weights = None if level is Level.NOMINAL else "quadratic"
        kappas, shared = [], []
        for pair in itertools.combinations(range(4), 2):
            both = table[:, pair]
            both = both[~np.isnan(both).any(axis=1)].astype(int)
            if len(np.unique(both)) > 1:
                kappas.append(cohen_kappa_score(*both.T, labels=range(4), weights=weights))
                shared.append(len(both))
        got = values(table, level, categories=4)[Name.COHEN]
        if shared:
            assert got == pytest.approx(np.average(kappas, weights=shared))
        else:
            assert np.isnan(got)


# Samples and intervals


@pytest.mark.parametrize("level", list(Level))
def test_a_sample_is_worth_the_table_of_its_items(level: Level) -> None:
    """Weights and copies of rows come to the same, for all coefficients."""
    table = drawn(3, missing=0.3)
    kinds = np.unique(np.nan_to_num(table, nan=-1), axis=0)
    counted = agreement_bootstrap.tables(table, categories=4, shared=1)
    (weights,) = agreement_bootstrap.samples(counted.items, resamples=5, rows=5, seed=0)
    at_once = module._coefficients(counted.sums(weights), level)
    assert (weights.sum(axis=1) == len(table)).all()
    for sample, times in enumerate(weights.astype(int)):
        copies = np.repeat(np.where(kinds < 0, np.nan, kinds), times, axis=0)
        copied = values(copies, level, categories=4)
        for name, value in copied.items():
            assert at_once[name][sample] == pytest.approx(value)


def test_kinds_are_drawn_as_often_as_their_items_would_be() -> None:
    """Draws of items with replacement, counted by kind: means and covariances by hand."""
    items = np.array([1, 3, 6])
    (weights,) = agreement_bootstrap.samples(items, resamples=40_000, rows=40_000, seed=0)
    shares = items / 10
    assert weights.mean(axis=0) == pytest.approx(10 * shares, abs=0.03)
    by_hand = 10 * (np.diag(shares) - np.outer(shares, shares))
    assert np.cov(weights.T) == pytest.approx(by_hand, abs=0.05)


def test_many_items_of_few_kinds_have_the_interval_of_one_by_one() -> None:
    """The ends that sampling item by item gives, up to the noise of 4,000 samples."""
    table = np.repeat(drawn(4, missing=0.3), 25, axis=0)
    got = found(table, categories=4, resamples=4_000)
    random = np.random.default_rng(1)
    alphas = [
        values(table[random.integers(0, len(table), len(table))], categories=4)[Name.ALPHA]
        for _ in range(400)
    ]
    low, high = np.quantile(alphas, [0.025, 0.975])
    assert (got[Name.ALPHA].low, got[Name.ALPHA].high) == pytest.approx((low, high), abs=0.008)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = found(drawn(1, missing=0.3), categories=4, resamples=50)
    monkeypatch.setattr(agreement_bootstrap, "_BLOCK_VALUES", 40 * 7)
    parts = found(drawn(1, missing=0.3), categories=4, resamples=50)
    for name, one in whole.items():
        assert (parts[name].low, parts[name].high) == pytest.approx((one.low, one.high))


def test_the_seed_decides() -> None:
    ratings = Ratings(table=drawn(0), categories=4)
    assert agreement(ratings, seed=1, shared=1) == agreement(ratings, seed=1, shared=1)
    assert agreement(ratings, seed=1, shared=1) != agreement(ratings, seed=2, shared=1)


def test_intervals_cover_about_as_often_as_they_say() -> None:
    """Two raters, right three times in four: raw agreement 5/8, chance 1/2, all corrected 1/4."""
    random = np.random.default_rng(0)
    covered = dict.fromkeys([Name.ALPHA, Name.COHEN, Name.FLEISS, Name.AC1], 0)
    trials = 300
    for _ in range(trials):
        truth = random.integers(0, 2, (200, 1))
        table = np.where(random.random((200, 2)) < 0.75, truth, 1 - truth)
        got = found(table, categories=2, resamples=300)
        for name in covered:
            covered[name] += got[name].low <= 0.25 <= got[name].high
    assert all(0.91 <= count / trials <= 0.98 for count in covered.values())


def test_width_of_raw_agreement_is_that_of_a_share() -> None:
    one = found(confused([[300, 100], [100, 500]]), categories=2, resamples=2000)[Name.RAW]
    assert one.value == pytest.approx(0.8)
    assert one.high - one.low == pytest.approx(2 * 1.96 * np.sqrt(0.8 * 0.2 / 1000), rel=0.08)


# What is undefined, and what is wrong


@pytest.fixture
def quiet(recwarn: pytest.WarningsRecorder, capfd: pytest.CaptureFixture[str]) -> object:
    yield
    assert not recwarn.list
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("level", list(Level))
@pytest.mark.parametrize(
    "table",
    [
        np.empty((0, 0)),
        np.full((3, 2), NAN),
        np.array([[0.0], [1.0], [1.0]]),  # a single rater
        np.array([[0.0, NAN], [NAN, 1.0]]),  # two who share nothing
    ],
)
def test_without_two_ratings_of_an_item_all_is_undefined(table: Floats, level: Level) -> None:
    for one in found(table, level, categories=2).values():
        assert np.isnan([one.value, one.low, one.high]).all()
        assert (one.items, one.ratings, one.raters) == (0, 0, 0)


@pytest.mark.usefixtures("quiet")
@pytest.mark.parametrize("level", list(Level))
def test_without_variation_alpha_and_kappa_are_undefined_and_ac_is_one(level: Level) -> None:
    got = found(np.zeros((7, 3)), level, categories=3)
    for name in (Name.ALPHA, Name.COHEN, Name.FLEISS):
        assert np.isnan([got[name].value, got[name].low, got[name].high]).all()
    gwet = Name.AC2 if level is Level.ORDINAL else Name.AC1
    assert got[gwet].value == got[Name.RAW].value == 1
    assert np.isnan([got[gwet].low, got[gwet].high]).all()
    # All of 7 items: n / (n + z²).
    assert (got[Name.RAW].low, got[Name.RAW].high) == (pytest.approx(0.6457, abs=1e-4), 1)
    alone = values(np.zeros((7, 3)), level, categories=1)
    assert alone.pop(Name.RAW) == 1
    assert np.isnan(list(alone.values())).all()


@pytest.mark.usefixtures("quiet")
def test_samples_without_variation_leave_no_interval() -> None:
    """One item in ten makes all the variation: one sample in three lacks it."""
    got = found(np.array([[0, 0]] * 9 + [[0, 1]]), categories=2, resamples=500)
    assert np.isfinite(got[Name.ALPHA].value)
    assert np.isnan([got[Name.ALPHA].low, got[Name.ALPHA].high]).all()
    assert 0 < got[Name.RAW].low < 1


def test_kappa_wants_pairs_that_share_enough() -> None:
    ratings = Ratings(table=confused([[5, 1], [0, 3]]), categories=2)
    by_shared = {
        shared: {one.name: one.value for one in agreement(ratings, seed=0, shared=shared)}
        for shared in (9, 10)
    }
    assert np.isfinite(by_shared[9][Name.COHEN])
    assert np.isnan(by_shared[10][Name.COHEN])
    assert by_shared[9][Name.ALPHA] == by_shared[10][Name.ALPHA]


@pytest.mark.usefixtures("quiet")
def test_a_pair_without_variation_is_left_out_of_kappa() -> None:
    table = np.array([[0, 0, NAN]] * 5 + [[NAN, 0, 0], [NAN, 1, 1], [NAN, 0, 1]])
    assert values(table, categories=2)[Name.COHEN] == pytest.approx(0.4)


def test_triples_in_any_order_make_the_same_figures() -> None:
    table = drawn(5)
    shuffled = np.random.default_rng(0).permutation(triples(table))
    named = [(f"item {i}", f"rater {r}", int(value)) for i, r, value in shuffled]
    got = agreement(Ratings.from_triples(named, categories=4), seed=0, shared=1)
    want = values(table, categories=4)
    assert {one.name: one.value for one in got} == pytest.approx(want)
    assert [one.name for one in got] == [name for name in Name if name is not Name.AC2]
    assert Ratings.from_triples([], categories=2).table.shape == (0, 0)


def test_wrong_ratings_are_refused() -> None:
    with pytest.raises(ValueError, match="rated twice by rater 'r'"):
        Ratings.from_triples([("i", "r", 0), ("i", "r", 0)], categories=2)
    for wrong in (2, -1, 0.5, np.inf):
        with pytest.raises(ValueError, match="integer from 0 to 1"):
            Ratings(table=np.array([[0.0, wrong]]), categories=2)
