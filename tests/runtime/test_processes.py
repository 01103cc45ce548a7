"""Processes: what torchrun says of them, and one alone; several are run in tests/stages."""

from __future__ import annotations

import pytest
import torch

from nsfwcaps.enums import Device
from nsfwcaps.runtime import processes
from nsfwcaps.runtime.processes import Processes, join, joined, launched


def test_a_process_of_torchrun_knows_which_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "2")
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert launched() == Processes(), "schedulers set these names too"
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
    assert launched() == Processes(rank=2, count=4)
    assert not launched().first


def test_one_process_has_nobody_to_wait_for() -> None:
    alone = Processes()
    rows = torch.ones(2, 3, requires_grad=True)
    assert alone.first
    assert alone.gather(rows, 2) is rows
    assert alone.broadcast("value") == "value"
    alone.wait()
    with join(Device.CPU) as group:
        assert group == joined() == alone
    assert not torch.distributed.is_initialized()


def test_one_process_of_torchrun_joins_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"TORCHELASTIC_RUN_ID": "none", "RANK": "0", "WORLD_SIZE": "1"}.items():
        monkeypatch.setenv(name, value)
    with join(Device.CPU) as group:
        assert group == Processes()


def test_gradients_go_together_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "_BUCKET_ELEMENTS", 5)
    gradients = [torch.zeros(size) for size in (2, 3, 1, 9, 1)]
    buckets = list(processes._buckets(gradients))
    assert [[len(item) for item in bucket] for bucket in buckets] == [[2, 3], [1], [9], [1]]
    assert [id(item) for bucket in buckets for item in bucket] == [id(item) for item in gradients]
    assert not list(processes._buckets([]))
