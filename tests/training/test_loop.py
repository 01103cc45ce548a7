"""The loop: steps that follow from seed and number, numbers that break, and what a batch is."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support.small_trainer import HOW, PAIRS, all_steps, same, trainer

from nsfwcaps.enums import RateDecay
from nsfwcaps.errors import TrainingError
from nsfwcaps.training.adapters import adapter_tensors
from nsfwcaps.training.ahead import Each
from nsfwcaps.training.inputs import Inputs, embed
from nsfwcaps.training.methods import METHODS
from nsfwcaps.training.pairs import Rows


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("stop", [0, 2, 3, 5])
def test_going_on_from_a_state_is_going_on(stop: int, tmp_path: Path) -> None:
    whole = trainer(tmp_path)
    steps = all_steps(whole)
    first, saved = trainer(tmp_path), io.BytesIO()
    for epoch in (1, 2):
        for _ in first.epoch(epoch, 0):
            if first.step == stop:
                torch.save(first.state(), saved)
    second = trainer(tmp_path)
    torch.rand(17)  # what else draws from the generator does not matter
    if stop:
        saved.seek(0)
        second.restore(torch.load(saved, weights_only=True))
    rest = [
        step
        for epoch in (1, 2)
        if second.step < epoch * 3
        for step in second.epoch(epoch, second.step - (epoch - 1) * 3)
    ]
    assert rest == steps[stop:]
    assert same(adapter_tensors(second._encoders.model), adapter_tensors(whole._encoders.model))


def test_weights_in_a_state_are_copies(tmp_path: Path) -> None:
    made = trainer(tmp_path)
    epoch = made.epoch(1, 0)
    next(epoch)
    state = made.state()
    before = {name: tensor.clone() for name, tensor in state["tensors"].items()}
    list(epoch)
    assert same(state["tensors"], before)


@pytest.mark.parametrize("workers", [1, 4])
def test_threads_change_nothing(workers: int, tmp_path: Path) -> None:
    assert all_steps(trainer(tmp_path, replace(HOW, workers=workers))) == all_steps(
        trainer(tmp_path)
    )


def test_seeds_and_dropout_change_steps(tmp_path: Path) -> None:
    losses = [
        all_steps(made)[-1].loss
        for made in (
            trainer(tmp_path),
            trainer(tmp_path, replace(HOW, seed=4)),
            trainer(tmp_path, dropout=0.0),
        )
    ]
    assert len(set(losses)) == 3


def test_the_rate_rises_and_falls(tmp_path: Path) -> None:
    rates = [step.learning_rate for step in all_steps(trainer(tmp_path))]
    # Six steps, a quarter of them (2) to warm up, then half a cosine from 0 over the other 4.
    falling = [(1 + math.cos(math.pi * done / 4)) / 2 for done in range(4)]
    assert rates == pytest.approx([0.005, 0.01, *(0.01 * share for share in falling)])


def test_without_decay_the_rate_stays_after_warm_up(tmp_path: Path) -> None:
    flat = replace(HOW, rate_decay=RateDecay.NONE)
    assert [s.learning_rate for s in all_steps(trainer(tmp_path, flat))] == [0.005] + [0.01] * 5
    none = replace(flat, warmup_share=0.0)
    assert [s.learning_rate for s in all_steps(trainer(tmp_path, none))] == [0.01] * 6


def test_the_scale_is_the_models_own_or_the_given_one(tmp_path: Path) -> None:
    own, given = (trainer(tmp_path, replace(HOW, scale=scale)) for scale in (None, 30.0))
    assert given.scale == 30.0
    assert own.scale == pytest.approx(math.exp(own._encoders.model.logit_scale.item()))
    assert own.scale != pytest.approx(100, abs=20)


def test_a_constant_factor_of_the_loss_changes_nothing_under_adam(tmp_path: Path) -> None:
    """So released code that divides its sum by eight makes the same steps, unless it clips."""
    method, ended = METHODS["safe-clip"], []
    for factor in (1.0, 1 / 8):
        weights = {name: factor * weight for name, weight in method.weights.items()}
        made = trainer(tmp_path, replace(HOW, clip_norm=None), replace(method, weights=weights))
        losses = [step.loss for step in all_steps(made)]
        ended.append((losses, adapter_tensors(made._encoders.model)))
    (losses, one), (shares, other) = ended
    assert shares == pytest.approx([loss / 8 for loss in losses], rel=1e-3)
    # Up to Adam's epsilon, which counts where a gradient is as small.
    for name, start in _start(tmp_path).items():
        assert (one[name] - other[name]).norm() < 0.01 * (one[name] - start).norm(), name


def _start(folder: Path) -> dict[str, torch.Tensor]:
    return adapter_tensors(trainer(folder)._encoders.model)


@pytest.mark.parametrize(
    ("norm", "largest"), [(1e-3, 1e-3), (None, math.inf)], ids=["clipped", "as it is"]
)
def test_gradients_are_clipped(norm: float | None, largest: float, tmp_path: Path) -> None:
    made = trainer(tmp_path, replace(HOW, clip_norm=norm))
    step = next(made.epoch(1, 0))
    # The norm that is told is that before clipping.
    assert step.gradient_norm > 1e-2
    grads = [p.grad for p in made._encoders.model.parameters() if p.grad is not None]
    left = torch.stack([grad.norm() for grad in grads]).norm().item()
    assert left == pytest.approx(min(step.gradient_norm, largest), rel=1e-3)


@pytest.mark.parametrize("where", ["loss", "gradient"])
def test_broken_numbers_make_no_step(where: str, tmp_path: Path) -> None:
    made = trainer(tmp_path)
    epoch = made.epoch(1, 0)
    next(epoch)
    before = adapter_tensors(made._encoders.model)
    if where == "loss":
        made._frozen.text[:] = math.nan
    else:
        weight = next(p for p in made._encoders.model.parameters() if p.requires_grad)
        weight.register_hook(lambda grad: grad * math.inf)
    with pytest.raises(TrainingError, match=r"step 2, pairs pair-\d+, ") as caught:
        next(epoch)
    told = "loss is not finite (relative" if where == "loss" else "gradient is not finite"
    assert told in str(caught.value)
    assert same(adapter_tensors(made._encoders.model), before)
    assert made.step == 1


def test_weights_that_are_not_finite_are_no_state(tmp_path: Path) -> None:
    made = trainer(tmp_path)
    next(made.epoch(1, 0))
    weight = next(p for p in made._encoders.model.parameters() if p.requires_grad)
    weight.data.view(-1)[0] = math.inf
    with pytest.raises(TrainingError, match=r"1 of \d+ weights are not finite after step 1 "):
        made.state()


def test_an_error_while_a_batch_is_prepared_comes_through(tmp_path: Path) -> None:
    made = trainer(tmp_path)

    def broken(rows: Rows, each: Each) -> Inputs:
        raise OSError("no picture")

    made._encoders = replace(made._encoders, prepare=broken)
    with pytest.raises(OSError, match="no picture"):
        next(made.epoch(1, 0))


def test_before_the_first_step_safe_items_are_their_reference(tmp_path: Path) -> None:
    terms = next(trainer(tmp_path, dropout=0.0).epoch(1, 0)).terms
    assert terms["preserve_text"] == pytest.approx(0, abs=1e-6)
    assert terms["preserve_image"] == pytest.approx(0, abs=1e-6)
    assert terms["redirect_text"] > 1e-3


@pytest.mark.parametrize("batch", [1, 5, 100])
def test_embedding_in_batches(batch: int, tmp_path: Path) -> None:
    made = trainer(tmp_path)
    text, image = embed(made._encoders, np.arange(PAIRS), batch)
    assert text.shape == image.shape == (2, PAIRS, text.shape[-1])
    for rows, expected in ((text, made._frozen.text), (image, made._frozen.image)):
        torch.testing.assert_close(rows.flatten(0, 1), expected, rtol=0, atol=1e-5)
    assert not text.requires_grad


@pytest.mark.parametrize("method", METHODS)
def test_every_method_overfits(method: str, tmp_path: Path) -> None:
    how = replace(HOW, epochs=12, warmup_share=0.0)
    made = trainer(tmp_path, how, METHODS[method], dropout=0.0)
    losses = [step.loss for epoch in range(1, 13) for step in made.epoch(epoch, 0)]
    assert np.mean(losses[-3:]) < 0.8 * np.mean(losses[:3])
