"""The order of the queue, against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from nsfwcaps.review.queue.priorities import Reason, disagreement, hubness, nearness, order, ranks

NAN = np.nan


def test_ranks() -> None:
    values = np.array([5.0, 1.0, 1.0, NAN, 9.0])
    np.testing.assert_allclose(ranks(values), [2 / 3, 1 / 6, 1 / 6, NAN, 1.0])
    np.testing.assert_array_equal(ranks(np.array([7.0])), [0.0])
    np.testing.assert_array_equal(ranks(np.array([NAN, np.inf])), [NAN, NAN])
    assert ranks(np.array([])).shape == (0,)


def test_nearness_is_that_to_the_nearest_border() -> None:
    values = np.array([0.0, 0.25, 0.5, 0.875, NAN])  # 0.25, 0, 0.25 and 0.125 away
    expected = [1 / 6, 1, 1 / 6, 2 / 3, NAN]
    np.testing.assert_allclose(nearness(values, [0.25, 1.0]), expected)
    np.testing.assert_array_equal(nearness(values, []), np.zeros(5))


def test_scorers_that_agree_on_ranks_do_not_disagree() -> None:
    first = np.array([0.1, 0.5, 0.9])
    np.testing.assert_array_equal(disagreement({"a": first, "b": first * 100 - 3}), [0, 0, 0])


def test_disagreement_by_hand() -> None:
    scores = {
        "a": np.array([0.1, 0.2, 0.3, NAN]),  # ranks 0, .5, 1
        "b": np.array([0.1, 0.3, 0.2, 0.9]),  # ranks 0, 2/3, 1/3, 1
        "c": np.array([NAN, NAN, NAN, NAN]),
    }
    # Spreads: 0, 1/12, 1/3, and one that fewer than two scored.
    np.testing.assert_allclose(disagreement(scores), [0, 2 / 3, 1, 0])


def test_a_target_of_one_pair_is_no_hub() -> None:
    np.testing.assert_allclose(hubness(np.array([1.0, 5.0, 2.0, 1.0, NAN])), [0, 1, 2 / 3, 0, 0])


def test_the_highest_signal_decides() -> None:
    signals = {
        Reason.BORDER: np.array([0.1, 0.2, 0.9, NAN]),
        Reason.HUB: np.array([0.8, 0.0, 0.3, 0.0]),
    }
    rows, reasons = order(signals, control_share=0.0, seed=0)
    assert rows.tolist() == [2, 0, 1, 3]
    assert reasons == [Reason.BORDER, Reason.HUB, Reason.BORDER, Reason.BORDER]


def test_the_control_share_is_spread_and_random() -> None:
    count, share = 1_000, 0.1
    worth = {Reason.BORDER: np.linspace(0, 1, count)}
    rows, reasons = order(worth, control_share=share, seed=1)
    assert sorted(rows.tolist()) == list(range(count))
    drawn = np.array([reason is Reason.CONTROL for reason in reasons])
    for part in np.split(drawn, 10):
        assert part.sum() == 10
    # Drawn from all: their mean worth is that of all, within five standard errors.
    assert abs(rows[drawn].mean() / count - 0.5) < 5 * 0.289 / np.sqrt(100)
    rest = rows[~drawn]
    assert rest.tolist() == sorted(rest.tolist(), reverse=True)


def test_equal_worth_comes_in_random_order_of_the_seed() -> None:
    signals = {Reason.BORDER: np.zeros(50)}
    first, again, other = (
        order(signals, control_share=0.0, seed=seed)[0].tolist() for seed in (1, 1, 2)
    )
    assert first == again != other
    assert first != sorted(first)


@pytest.mark.parametrize("count", [0, 1])
def test_few_items(count: int) -> None:
    rows, reasons = order({Reason.HUB: np.zeros(count)}, control_share=0.1, seed=0)
    assert (rows.tolist(), reasons) == (list(range(count)), [Reason.HUB] * count)


def test_signals_of_different_lengths() -> None:
    with pytest.raises(ValueError, match="shape"):
        order({Reason.HUB: np.zeros(2), Reason.BORDER: np.zeros(3)}, control_share=0.1, seed=0)
