"""Percentiles, difficulty, borders and levels, against values worked out by hand."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsfwcaps.mining.difficulty import Borders, borders, difficulty, grade, hardness, levels

Values = npt.NDArray[np.float64]

# Few distinct values, so that ties are common; None is a missing value.
signals = st.lists(
    st.one_of(st.none(), st.integers(-4, 4).map(lambda n: n / 4)), min_size=1, max_size=12
)


def array(values: list[float | None]) -> Values:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def test_hardness_is_the_percentile_of_five_values() -> None:
    values = array([0.9, 0.1, 0.5, 0.3, 0.7])
    assert hardness(values, hard_is_high=True).tolist() == [1.0, 0.0, 0.5, 0.25, 0.75]
    assert hardness(values, hard_is_high=False).tolist() == [0.0, 1.0, 0.5, 0.75, 0.25]


def test_equal_values_share_their_mean_rank() -> None:
    values = array([0.2, 0.2, 0.2, 0.8, 0.9])
    assert hardness(values, hard_is_high=True).tolist() == [0.25, 0.25, 0.25, 0.75, 1.0]


def test_a_missing_value_stands_in_the_middle_and_moves_nobody() -> None:
    values = array([0.2, None, 0.4, 0.6, None])
    assert hardness(values, hard_is_high=True).tolist() == [0.0, 0.5, 0.5, 1.0, 0.5]


def test_infinity_counts_as_missing() -> None:
    values = np.array([np.inf, 0.1, -np.inf, 0.2])
    assert hardness(values, hard_is_high=True).tolist() == [0.5, 0.0, 0.5, 1.0]


@pytest.mark.parametrize("values", [[0.3], [None], [None, 0.3, None], [0.3, 0.3, 0.3]])
def test_without_two_different_values_every_pair_is_in_the_middle(
    values: list[float | None],
) -> None:
    assert hardness(array(values), hard_is_high=False).tolist() == [0.5] * len(values)


@given(values=signals, hard_is_high=st.booleans())
def test_hardness_is_a_half_on_average_and_within_its_range(
    values: list[float | None], hard_is_high: bool
) -> None:
    found = hardness(array(values), hard_is_high=hard_is_high)
    assert found.mean() == pytest.approx(0.5)
    assert found.min() >= 0
    assert found.max() <= 1


@given(values=signals, hard_is_high=st.booleans())
def test_hardness_does_not_depend_on_the_scale_of_a_signal(
    values: list[float | None], hard_is_high: bool
) -> None:
    plain = hardness(array(values), hard_is_high=hard_is_high)
    scaled = hardness(8 * array(values) - 3, hard_is_high=hard_is_high)
    np.testing.assert_array_equal(plain, scaled)


@given(values=signals)
def test_turning_a_signal_round_turns_hardness_round(values: list[float | None]) -> None:
    high = hardness(array(values), hard_is_high=True)
    np.testing.assert_allclose(high, 1 - hardness(array(values), hard_is_high=False), atol=1e-12)


def test_difficulty_is_the_weighted_mean_of_hardnesses() -> None:
    hard = {"similarity": array([0.0, 1.0, 0.5]), "margin": array([1.0, 0.5, 0.0])}
    found = difficulty(hard, {"similarity": 3.0, "margin": 1.0})
    assert found.tolist() == [0.25, 0.875, 0.375]


def test_signals_without_a_weight_are_left_out() -> None:
    hard = {"similarity": array([0.0, 1.0]), "density": array([1.0, 0.0])}
    assert difficulty(hard, {"similarity": 2.0}).tolist() == [0.0, 1.0]
    assert difficulty(hard, {"similarity": 2.0, "density": 0.0}).tolist() == [0.0, 1.0]


@given(scale=st.floats(1e-6, 1e6))
def test_only_the_proportion_of_weights_counts(scale: float) -> None:
    hard = {"similarity": array([0.0, 1.0, 0.5]), "margin": array([1.0, 0.5, 0.0])}
    plain = difficulty(hard, {"similarity": 1.0, "margin": 2.0})
    scaled = difficulty(hard, {"similarity": scale, "margin": 2.0 * scale})
    np.testing.assert_allclose(plain, scaled, rtol=1e-12)


def test_difficulty_stays_within_its_range_whatever_the_rounding() -> None:
    hard = {str(number): array([1.0, 0.0]) for number in range(10)}
    assert difficulty(hard, dict.fromkeys(hard, 0.1)).tolist() == [1.0, 0.0]


HARD_IS_HIGH: Mapping[str, bool] = {"similarity": False, "margin": False, "density": True}


@given(
    table=st.lists(st.tuples(*[st.integers(-4, 4)] * len(HARD_IS_HIGH)), min_size=1, max_size=10),
    weights=st.tuples(*[st.sampled_from([0.25, 1.0, 3.0])] * len(HARD_IS_HIGH)),
    data=st.data(),
)
def test_a_pair_never_gets_easier_when_one_of_its_signals_gets_harder(
    table: list[tuple[int, ...]], weights: tuple[float, ...], data: st.DataObject
) -> None:
    row = data.draw(st.integers(0, len(table) - 1))
    name = data.draw(st.sampled_from(list(HARD_IS_HIGH)))
    step = data.draw(st.integers(1, 8))
    before = dict(zip(HARD_IS_HIGH, np.array(table, dtype=np.float64).T, strict=True))
    after = {key: values.copy() for key, values in before.items()}
    after[name][row] += step if HARD_IS_HIGH[name] else -step
    weighed = dict(zip(HARD_IS_HIGH, weights, strict=True))
    assert graded(after, weighed)[row] >= graded(before, weighed)[row] - 1e-12


def test_getting_harder_than_another_pair_makes_a_pair_more_difficult() -> None:
    weights = {"similarity": 1.0, "margin": 1.0}
    margin = array([0.1, 0.1, 0.1])
    before = graded({"similarity": array([0.9, 0.8, 0.7]), "margin": margin}, weights)
    after = graded({"similarity": array([0.75, 0.8, 0.7]), "margin": margin}, weights)
    assert before.tolist() == [0.25, 0.5, 0.75]
    assert after.tolist() == [0.5, 0.25, 0.75]


def graded(values: Mapping[str, Values], weights: Mapping[str, float]) -> Values:
    hard = {
        name: hardness(column, hard_is_high=HARD_IS_HIGH[name]) for name, column in values.items()
    }
    return difficulty(hard, weights)


def test_borders_are_quantiles_of_the_difficulties() -> None:
    found = borders(np.arange(11) / 10, easy_share=0.2, hard_share=0.3)
    assert found.easy == pytest.approx(0.2)
    assert found.medium == pytest.approx(0.7)


def test_a_pair_on_a_border_belongs_to_the_easier_side() -> None:
    at = Borders(easy=0.25, medium=0.75)
    found = levels(array([0.0, 0.25, 0.26, 0.75, 0.76, 1.0]), at)
    assert found.tolist() == ["easy", "easy", "medium", "medium", "hard", "hard"]


@pytest.mark.parametrize("values", [[0.4], [0.5, 0.5, 0.5]])
def test_pairs_that_do_not_differ_are_all_easy(values: list[float]) -> None:
    difficulties = np.array(values)
    at = borders(difficulties, easy_share=1 / 3, hard_share=1 / 3)
    assert at == Borders(easy=values[0], medium=values[0])
    assert levels(difficulties, at).tolist() == ["easy"] * len(values)


@pytest.mark.parametrize(
    ("easy_share", "hard_share", "expected"),
    [
        (1 / 3, 1 / 3, {"easy": 30, "medium": 30, "hard": 30}),
        (0.5, 0.5, {"easy": 45, "hard": 45}),
        (0.1, 0.2, {"easy": 9, "medium": 63, "hard": 18}),
    ],
)
def test_levels_have_the_sizes_that_were_asked_for(
    easy_share: float, hard_share: float, expected: dict[str, int]
) -> None:
    difficulties = np.random.default_rng(0).permutation(90) / 89
    at = borders(difficulties, easy_share=easy_share, hard_share=hard_share)
    names, counts = np.unique(levels(difficulties, at), return_counts=True)
    assert dict(zip(names.tolist(), counts.tolist(), strict=True)) == expected


@given(
    values=st.lists(st.floats(0, 1), min_size=1, max_size=30),
    easy_share=st.sampled_from([0.1, 0.3, 0.5]),
    hard_share=st.sampled_from([0.1, 0.3, 0.5]),
)
def test_a_harder_pair_is_never_in_an_easier_level(
    values: list[float], easy_share: float, hard_share: float
) -> None:
    ordered = np.sort(np.array(values))
    at = borders(ordered, easy_share=easy_share, hard_share=hard_share)
    order = [("easy", "medium", "hard").index(level) for level in levels(ordered, at).tolist()]
    assert order == sorted(order)


def test_grade_by_hand() -> None:
    """Five pairs; of the similarity, low is hard; of the density, high is."""
    signals = {
        "similarity": array([0.9, 0.8, 0.7, 0.6, 0.5]),
        "density": array([0.1, 0.5, 0.2, 0.4, 0.3]),
    }
    # Percentiles: similarity 0, ¼, ½, ¾, 1 and density 0, 1, ¼, ¾, ½, at weights 3 and 1.
    graded = grade(signals, {"similarity": 3.0, "density": 1.0}, easy_share=0.25, hard_share=0.25)
    assert graded.difficulty.tolist() == [0.0, 0.4375, 0.4375, 0.75, 0.875]
    assert graded.borders == Borders(easy=0.4375, medium=0.75)
    assert graded.levels.tolist() == ["easy", "easy", "easy", "medium", "hard"]


def test_grade_gives_difficulties_that_single_precision_holds() -> None:
    signals = {"similarity": array([0.9, 0.8, 0.7, 0.6])}
    found = grade(signals, {"similarity": 1.0}, easy_share=1 / 3, hard_share=1 / 3).difficulty
    assert found.tolist() == [float(np.float32(value)) for value in (0, 1 / 3, 2 / 3, 1)]
