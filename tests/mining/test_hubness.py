"""Hubness penalties against values worked by hand and against dense matrices."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from support.tensor_cores import TensorCores
from torch.overrides import TorchFunctionMode

from nsfwcaps.enums import Device
from nsfwcaps.mining import hubness
from nsfwcaps.mining.hubness import csls_penalty, inverted_softmax_penalty
from nsfwcaps.vectors import nearest
from nsfwcaps.vectors.index import BlockSearch
from nsfwcaps.vectors.nearest import HeldTable
from nsfwcaps.vectors.source import Half
from nsfwcaps.vectors.store import VectorTable

MakeTable = Callable[..., VectorTable]


def tiles(table: VectorTable, *, resident: bool = False) -> Iterator[Any]:
    """Tiles of a table that is streamed, or held in three parts by a device."""
    search = TensorCores() if resident else BlockSearch(Device.CPU)
    rows = table.rows // 3 + 1 if resident else None
    return HeldTable(table, search, block_rows=1000, part_rows=rows).tiles()


def test_csls_penalty_is_half_the_mean_cosine() -> None:
    sims = np.array([[0.5, 0.25], [1.0, -0.5]], dtype=np.float32)
    assert csls_penalty(sims).tolist() == [0.1875, 0.125]


def test_csls_ranks_as_the_published_formula(unit_rows: Callable[..., Half]) -> None:
    unsafe, safe = (unit_rows(rows, 16, seed=rows).astype(np.float64) for rows in (40, 60))
    sims, k = unsafe @ safe.T, 10
    from_unsafe = np.sort(sims, axis=1)[:, -k:].mean(axis=1)  # r(u) over safe
    from_safe = np.sort(sims, axis=0)[-k:].mean(axis=0)  # r(s) over unsafe
    published = 2 * sims - from_unsafe[:, None] - from_safe[None, :]
    nearest_unsafe = np.sort(sims.T, axis=1)[:, -k:].astype(np.float32)
    ours = sims - csls_penalty(nearest_unsafe)
    np.testing.assert_array_equal(np.argsort(-ours, axis=1), np.argsort(-published, axis=1))


def test_inverted_softmax_penalty_by_hand(make_table: MakeTable) -> None:
    """Cosines 1 and 0 for the first target, 0.5 and 0.5 for the second."""
    unsafe = make_table(np.eye(2, dtype=np.float16))
    targets = np.array([[1, 0], [0.5, 0.5]], dtype=np.float16)
    penalty = inverted_softmax_penalty(targets, tiles(unsafe), 2.0)
    first = math.log((math.exp(2.0) + math.exp(0.0)) / 2) / 2.0
    assert penalty == pytest.approx([first, 0.5], abs=1e-6)


@pytest.mark.parametrize("beta", [0.5, 20.0, 200.0])
@pytest.mark.parametrize("tile", [7, 64, 4096])
def test_inverted_softmax_penalty_equals_the_dense_one_at_any_tile(
    make_table: MakeTable,
    unit_rows: Callable[..., Half],
    monkeypatch: pytest.MonkeyPatch,
    beta: float,
    tile: int,
) -> None:
    monkeypatch.setattr(hubness, "_TILE_ROWS", tile)
    monkeypatch.setattr(nearest, "TILE_ROWS", tile)
    unsafe, targets = unit_rows(100, 24, seed=1), unit_rows(70, 24, seed=2)
    table = make_table(unsafe, [30, 70])
    got = inverted_softmax_penalty(targets, tiles(table), beta)
    on_device = inverted_softmax_penalty(targets, tiles(table, resident=True), beta)
    sims = targets.astype(np.float64) @ unsafe.astype(np.float64).T
    dense = np.log(np.exp(beta * sims).mean(axis=1)) / beta
    np.testing.assert_allclose(got, dense, atol=1e-6)
    np.testing.assert_allclose(on_device, dense, atol=1e-6)
    if tile == 7:  # parts of 28 rows: the same tiles
        np.testing.assert_array_equal(on_device, got)


def test_inverted_softmax_ranks_as_the_published_formula(
    make_table: MakeTable, unit_rows: Callable[..., Half]
) -> None:
    unsafe, safe, beta = unit_rows(30, 16, seed=3), unit_rows(50, 16, seed=4), 20.0
    sims = unsafe.astype(np.float64) @ safe.astype(np.float64).T
    published = np.exp(beta * sims) / np.exp(beta * sims).sum(axis=0)
    ours = sims - inverted_softmax_penalty(safe, tiles(make_table(unsafe)), beta)
    np.testing.assert_array_equal(np.argsort(-ours, axis=1), np.argsort(-published, axis=1))


def test_a_hub_is_penalised_more_than_a_private_neighbour(make_table: MakeTable) -> None:
    unsafe = np.eye(8, dtype=np.float16)
    hub = np.full(8, 8**-0.5, dtype=np.float16)
    private = np.eye(8, dtype=np.float16)[0] * np.float16(0.354)
    penalty = inverted_softmax_penalty(np.stack([hub, private]), tiles(make_table(unsafe)), 20.0)
    assert penalty[0] > penalty[1] + 0.05


class _SettingAtProducts(TorchFunctionMode):
    """Notes torch's precision of single-precision products whenever one is computed."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if "matmul" in func.__name__:
            self.seen.append(torch.get_float32_matmul_precision())
        return func(*args, **(kwargs or {}))


def test_inverted_softmax_multiplies_without_tf32(
    make_table: MakeTable, unit_rows: Callable[..., Half]
) -> None:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        with _SettingAtProducts() as products:
            unsafe = tiles(make_table(unit_rows(30, 16, seed=3)))
            inverted_softmax_penalty(unit_rows(50, 16, seed=4), unsafe, 20.0)
        assert products.seen == ["highest"]
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)
