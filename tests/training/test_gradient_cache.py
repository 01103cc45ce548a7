"""A batch in parts: the gradients of the whole, whatever the method, and the same dropout twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from support.small_trainer import HOW, all_steps, same, trainer

from nsfwcaps.training import loop
from nsfwcaps.training.adapters import adapter_tensors
from nsfwcaps.training.gradient_cache import backward_parts, cached_rows
from nsfwcaps.training.loop import Trainer
from nsfwcaps.training.methods import METHODS

UNCLIPPED = replace(HOW, clip_norm=None)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def sizes(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, bool]]:
    """Pairs of each call of the towers, and whether it has a graph."""
    real, seen = loop.encode, []

    def encode(encoders: Any, inputs: Any) -> torch.Tensor:
        seen.append((len(inputs.rows), torch.is_grad_enabled()))
        return real(encoders, inputs)

    monkeypatch.setattr(loop, "encode", encode)
    return seen


def gradients(made: Trainer) -> dict[str, torch.Tensor]:
    """Gradients of the second step: in the first, those of all first factors are zero."""
    steps = made.epoch(1, 0)
    next(steps), next(steps)
    parameters = made._encoders.model.named_parameters()
    return {name: item.grad.clone() for name, item in parameters if item.grad is not None}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("parts", "expected"), [(2, [2, 2]), (3, [1, 1, 2]), (9, [1] * 4)])
def test_parts_have_the_gradients_of_the_whole(
    method: str, parts: int, expected: list[int], tmp_path: Path, sizes: list[tuple[int, bool]]
) -> None:
    """Four pairs: even parts, uneven ones, and more parts than pairs."""
    whole, in_parts = (
        gradients(
            trainer(tmp_path, replace(UNCLIPPED, accumulate=count), METHODS[method], dropout=0.0)
        )
        for count in (1, parts)
    )
    assert sizes[:2] == [(4, True)] * 2
    once = [(size, False) for size in expected] + [(size, True) for size in expected]
    assert sizes[2:] == once * 2
    assert whole.keys() == in_parts.keys()
    assert all(tensor.any() for tensor in whole.values())
    for name, gradient in whole.items():
        torch.testing.assert_close(in_parts[name], gradient, rtol=1e-4, atol=1e-5)


def test_the_sum_of_the_losses_of_parts_is_something_else(tmp_path: Path) -> None:
    """What the cache is for: were it equal, the test above would show nothing."""
    whole = gradients(trainer(tmp_path, UNCLIPPED, METHODS["safe-only"], dropout=0.0))
    made = trainer(tmp_path, UNCLIPPED, METHODS["safe-only"], dropout=0.0)
    next(made.epoch(1, 0))
    batch = made._sampler.epoch(1)[1]
    made._optimizer.zero_grad()
    for part in (batch[:2], batch[2:]):
        made._differentiate(made._encoders.prepare(part, map), part)
    parameters = made._encoders.model.named_parameters()
    summed = {name: item.grad / 2 for name, item in parameters if item.grad is not None}
    assert max((summed[name] - whole[name]).abs().max() for name in whole) > 1e-2


def test_a_part_drops_the_same_units_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows: list[torch.Tensor] = []
    real = loop.encode

    def encode(*arguments: Any) -> torch.Tensor:
        rows.append(real(*arguments))
        return rows[-1]

    monkeypatch.setattr(loop, "encode", encode)
    steps = trainer(tmp_path, replace(HOW, accumulate=2), dropout=0.5).epoch(1, 0)
    next(steps), next(steps)
    for first, second in ((rows[4], rows[6]), (rows[5], rows[7])):
        torch.testing.assert_close(first, second, rtol=0, atol=1e-6)
    assert (rows[4] - rows[5]).abs().max() > 1e-2


def test_units_that_drop_are_others_in_each_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seeds: list[int] = []
    real = torch.manual_seed
    made = trainer(tmp_path, replace(HOW, accumulate=3))
    monkeypatch.setattr(torch, "manual_seed", lambda seed: [seeds.append(seed), real(seed)][1])
    all_steps(made)
    assert len(set(seeds)) == 6 * 3
    assert sorted(seeds) == sorted([*set(seeds)] * 2)


def test_more_parts_than_pairs_train_as_whole_batches(tmp_path: Path) -> None:
    whole, in_parts = (
        trainer(tmp_path, replace(HOW, accumulate=count), dropout=0.0) for count in (1, 100)
    )
    losses = [[step.loss for step in all_steps(made)] for made in (whole, in_parts)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    one, other = (adapter_tensors(made._encoders.model) for made in (whole, in_parts))
    assert not same(one, adapter_tensors(trainer(tmp_path)._encoders.model))
    assert one.keys() == other.keys()


def test_gradients_by_hand() -> None:
    """(w x1)(w x2) for x = (2, 3) is 6 w^2; at w = 5 the derivative is 60."""
    weight = torch.tensor(5.0, requires_grad=True)
    x = torch.tensor([[2.0], [3.0]])
    rows = cached_rows(lambda part: weight * x[part : part + 1], 2)
    assert rows.is_leaf
    rows.prod().backward()  # type: ignore[no-untyped-call]
    assert weight.grad is None
    backward_parts(lambda part: weight * x[part : part + 1], 2, rows.grad)
    assert weight.grad.item() == 60
