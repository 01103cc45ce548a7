"""The history of a run: the best epoch, patience, epochs without a step, a state that goes on."""

from __future__ import annotations

import pytest
import torch

from nsfwcaps.training.history import History
from nsfwcaps.training.validation import Validation


def scored(total: float) -> Validation:
    return Validation(
        safe_text_to_image=total,
        safe_image_to_text=0,
        unsafe_text_to_image=0,
        unsafe_image_to_text=0,
        unsafe_first=0.25,
    )


def add(history: History, *totals: float) -> None:
    """Add epochs whose tensors say which epoch they are of."""
    for total in totals:
        epoch = history.next_epoch
        history.add(scored(total), lambda epoch=epoch: {"w": torch.tensor(epoch)})


@pytest.mark.parametrize(
    ("totals", "kept", "out"),
    [
        ((1.0,), 0, False),
        ((1.0, 1.5, 1.2), 1, False),
        ((1.0, 1.5, 1.2, 1.5), 1, True),  # as good as the best is no gain
        ((1.0, 0.5, 1.1, 0.9), 2, False),
        ((1.0, 0.5, 0.9), 0, True),
    ],
)
def test_patience_of_two(totals: tuple[float, ...], kept: int, out: bool) -> None:
    history = History(2)
    add(history, *totals)
    assert (history.kept_epoch, history.out_of_patience) == (kept, out)
    assert history.best == {"w": torch.tensor(kept)}
    assert [score["total"] for score in history.scores] == list(totals)
    assert history.scores[0] == {
        "safe_text_to_image": 1.0,
        "safe_image_to_text": 0,
        "unsafe_text_to_image": 0,
        "unsafe_image_to_text": 0,
        "unsafe_first": 0.25,
        "total": 1.0,
    }


def test_without_patience_the_last_epoch_is_kept_and_no_tensors() -> None:
    history = History(None)
    add(history, 1.0, 0.5, 0.4, 0.3)
    assert (history.kept_epoch, history.out_of_patience, history.best) == (3, False, None)


def test_an_epoch_without_a_step_repeats_the_score_and_costs_no_patience() -> None:
    history = History(1)
    add(history, 1.0)
    history.skip()
    history.skip()
    assert (history.next_epoch, history.out_of_patience) == (3, False)
    assert [score["total"] for score in history.scores] == [1.0, 1.0, 1.0]
    add(history, 0.5)
    assert (history.kept_epoch, history.out_of_patience) == (0, True)


def test_without_pairs_to_validate_on_scores_are_empty() -> None:
    history = History(None)
    history.add(None, dict)
    history.skip()
    assert (history.scores, history.kept_epoch) == ([{}, {}], 1)


def test_a_restored_history_goes_on_as_the_one_that_was_saved() -> None:
    whole, first = History(2), History(2)
    add(whole, 1.0, 1.5, 1.2, 1.4)
    add(first, 1.0, 1.5, 1.2)
    state = first.state()
    assert list(state) == ["validation", "best", "best_epoch", "best_total", "stale"]
    rest = History(2)
    rest.restore(state)
    add(rest, 1.4)
    assert rest.state() == whole.state()
    assert rest.out_of_patience
