"""Compiled towers compute what the others do, and a run goes on to the bit."""

from __future__ import annotations

import io
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from support.small_trainer import same, trainer

from nsfwcaps.errors import ConfigError
from nsfwcaps.training.adapters import adapter_tensors
from nsfwcaps.training.compilation import check_compiler, compiled
from nsfwcaps.training.loop import Trainer


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def with_compiled_towers(folder: Path) -> Trainer:
    made = trainer(folder, dropout=0.0)
    made._encoders = compiled(made._encoders)
    return made


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
def test_steps_are_those_of_towers_that_are_not_compiled(tmp_path: Path) -> None:
    plain, made = trainer(tmp_path, dropout=0.0), with_compiled_towers(tmp_path)
    steps, expected = [*made.epoch(1, 0)], [*plain.epoch(1, 0)]
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] >= 2
    for name in ("loss", "gradient_norm"):
        one, other = ([getattr(step, name) for step in each] for each in (steps, expected))
        assert one == pytest.approx(other, rel=1e-3)
    first, saved = with_compiled_towers(tmp_path), io.BytesIO()
    next(first.epoch(1, 0))
    torch.save(first.state(), saved)
    saved.seek(0)
    second = with_compiled_towers(tmp_path)
    second.restore(torch.load(saved, weights_only=True))
    assert [*second.epoch(1, 1)] == steps[1:]
    assert same(adapter_tensors(second._encoders.model), adapter_tensors(made._encoders.model))


def test_without_a_compiler_the_advice_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch._inductor.config as settings

    monkeypatch.setattr(settings.cpp, "cxx", ("/nowhere/g++",))
    monkeypatch.setattr(settings, "force_disable_caches", True)
    torch._dynamo.reset()
    with pytest.raises(
        ConfigError, match=r"train\.compile: .*nowhere.*g\+\+, or remove --compile$"
    ) as raised:
        check_compiler("cpu")
    assert "\n" not in str(raised.value)
