"""fp16: the loss is scaled, a gradient that is too large is tried again, and no step is lost."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from support.small_trainer import HOW, all_steps, same, trainer

from nsfwcaps.errors import TrainingError
from nsfwcaps.training.adapters import adapter_tensors
from nsfwcaps.training.loop import Trainer

LARGEST = 2.0**127


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def in_precision(folder: Path, dtype: torch.dtype, **changes: Any) -> Trainer:
    """A trainer in a precision that the command line has on GPUs only."""
    made = trainer(folder, replace(HOW, **changes))
    return Trainer(
        replace(made._encoders, dtype=dtype),
        made._pairs,
        (made._frozen.text, made._frozen.image),
        made._method,
        made._sampler,
        made._how,
    )


def with_scale(folder: Path, scale: float, **changes: Any) -> Trainer:
    """Single precision with a scaler, which overflows at a scale near the largest number."""
    made = trainer(folder, replace(HOW, **changes))
    made._scaler = torch.amp.GradScaler("cpu", init_scale=scale, growth_interval=2)
    return made


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_other_precisions_have_no_scale(dtype: torch.dtype, tmp_path: Path) -> None:
    made = in_precision(tmp_path, dtype)
    assert not made._scaler.is_enabled()
    assert made.state()["scaler"] == {}


@pytest.mark.parametrize("parts", [1, 2])
def test_half_precision_trains(parts: int, tmp_path: Path) -> None:
    half = all_steps(in_precision(tmp_path, torch.float16, accumulate=parts))
    single = all_steps(in_precision(tmp_path, torch.float32, accumulate=parts))
    for name in ("loss", "gradient_norm"):
        found, wanted = ([getattr(step, name) for step in steps] for steps in (half, single))
        assert found == pytest.approx(wanted, rel=0.1)
        assert found != wanted


@pytest.mark.parametrize("parts", [1, 3])
def test_a_scale_changes_no_step(parts: int, tmp_path: Path) -> None:
    """A power of two moves no digit, so what is scaled up and down again is as it was."""
    plain = trainer(tmp_path, replace(HOW, accumulate=parts))
    scaled = with_scale(tmp_path, 2.0**10, accumulate=parts)
    assert all_steps(plain) == all_steps(scaled)
    one, other = (adapter_tensors(made._encoders.model) for made in (plain, scaled))
    assert same(one, other)
    assert scaled._scaler.get_scale() == 2.0**13  # grown after every second step


def test_what_overflows_is_tried_again_and_no_step_is_lost(tmp_path: Path) -> None:
    plain, scaled = trainer(tmp_path), with_scale(tmp_path, LARGEST)
    first, again = next(plain.epoch(1, 0)), next(scaled.epoch(1, 0))
    assert scaled._scaler.get_scale() < LARGEST
    assert again.step == 1
    assert (again.loss, again.terms) == (first.loss, first.terms)
    assert again.gradient_norm == pytest.approx(first.gradient_norm, rel=1e-3)
    assert math.isfinite(again.gradient_norm)


def test_what_never_fits_is_broken(tmp_path: Path) -> None:
    made = with_scale(tmp_path, 2.0**10)
    epoch = made.epoch(1, 0)
    next(epoch)
    before, tries = adapter_tensors(made._encoders.model), []
    weight = next(p for p in made._encoders.model.parameters() if p.requires_grad)
    weight.register_hook(lambda grad: [tries.append(1), grad * math.inf][1])
    with pytest.raises(TrainingError, match="a gradient is not finite at step 2"):
        next(epoch)
    assert len(tries) == 20
    assert made.step == 1
    assert same(adapter_tensors(made._encoders.model), before)


def test_the_scale_is_part_of_the_state(tmp_path: Path) -> None:
    whole = with_scale(tmp_path, LARGEST)
    steps = all_steps(whole)
    first, saved = with_scale(tmp_path, LARGEST), io.BytesIO()
    list(first.epoch(1, 0))
    torch.save(first.state(), saved)
    saved.seek(0)
    second = with_scale(tmp_path, 1.0)
    second.restore(torch.load(saved, weights_only=True))
    assert second._scaler.get_scale() == first._scaler.get_scale() != 1.0
    assert list(second.epoch(2, 0)) == steps[3:]
    assert second._scaler.get_scale() == whole._scaler.get_scale()
