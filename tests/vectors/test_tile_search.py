"""Top-k search by tiles: brute force whatever the tiles, and torch's options as they were."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nsfwcaps.vectors import tile_search
from nsfwcaps.vectors.source import Half
from nsfwcaps.vectors.tile_search import (
    best_of_tiles,
    products,
    single_sums,
    tile_bytes,
    tile_shape,
)

GIB = 2**30


@settings(max_examples=80, deadline=None)
@given(
    queries=st.integers(1, 9),
    rows=st.integers(1, 60),
    share=st.floats(0, 1),
    memory=st.sampled_from([1, 16, 100, 1000, 10_000]),
    levels=st.integers(1, 40),
)
def test_tiles_give_the_best_sims_of_the_whole_and_a_row_of_each(
    queries: int, rows: int, share: float, memory: int, levels: int
) -> None:
    """Whole numbers make sums exact and ties plenty; ties may come in any order."""
    random = np.random.default_rng(rows)
    left, right = (
        torch.from_numpy(random.integers(-levels, levels + 1, (count, 3)).astype(np.float16))
        for count in (queries, rows)
    )
    k = 1 + int(share * (rows - 1))
    sims, places = best_of_tiles(left, right, k, memory_bytes=memory)
    whole = left.double() @ right.double().T
    best = whole.sort(dim=1, descending=True).values[:, :k]
    np.testing.assert_array_equal(sims.double().numpy(), best.numpy())
    np.testing.assert_array_equal(whole.gather(1, places).numpy(), best.numpy())
    assert all(len(set(found)) == k for found in places.tolist())
    assert (sims.dtype, places.dtype) == (torch.float32, torch.int64)


def test_products_are_summed_in_single_precision(unit_rows: Callable[..., Half]) -> None:
    rows = unit_rows(40, 64, seed=1)
    found = products(torch.from_numpy(rows[:7]), torch.from_numpy(rows))
    assert found.dtype == torch.float32
    exact = rows[:7].astype(np.float64) @ rows.astype(np.float64).T
    np.testing.assert_allclose(found.numpy(), exact, atol=64 * 2**-24)


@pytest.mark.parametrize(
    ("queries", "rows", "k", "memory", "shape"),
    [
        (28_976, 10_000_000, 116, GIB, (4096, 65_536)),
        (28_976, 10_000_000, 116, GIB // 16, (1024, 16_384)),
        (28_976, 1_000, 116, GIB, (4096, 1_000)),
        (10, 50_000_000, 116, GIB, (10, 26_843_545)),
        (28_976, 10_000_000, 65_536, GIB, (1024, 262_144)),
        (5, 9, 9, 1, (1, 1)),
    ],
)
def test_shapes_of_tiles(
    queries: int, rows: int, k: int, memory: int, shape: tuple[int, int]
) -> None:
    assert tile_shape(queries, rows, k, memory) == shape


@pytest.mark.parametrize(
    ("free", "expected"), [(80 * GIB, GIB), (2 * GIB, GIB // 2), (GIB // 100, GIB // 16)]
)
def test_tiles_take_a_share_of_the_free_memory(
    monkeypatch: pytest.MonkeyPatch, free: int, expected: int
) -> None:
    monkeypatch.setattr(tile_search, "free_bytes", lambda device: free)
    assert tile_bytes("cuda:1") == expected


def test_half_precision_sums_are_off_until_the_last_thread_leaves() -> None:
    matmul = torch.backends.cuda.matmul
    option = "allow_fp16_reduced_precision_reduction"
    before, both = getattr(matmul, option), Barrier(2)
    first_left = Barrier(2)

    def first() -> bool:
        with single_sums():
            both.wait(10)
        first_left.wait(10)
        return True

    def second() -> list[bool]:
        with single_sums():
            both.wait(10)
            inside = [getattr(matmul, option)]
            first_left.wait(10)
            return [*inside, getattr(matmul, option)]

    try:
        for value in (True, False):
            setattr(matmul, option, value)
            with ThreadPoolExecutor(2) as pool:
                left, right = pool.submit(first), pool.submit(second)
                assert (left.result(20), right.result(20)) == (True, [False, False])
            assert getattr(matmul, option) is value
    finally:
        setattr(matmul, option, before)


def test_this_torch_has_the_product_that_tiles_need() -> None:
    """As does every torch from 2.8 on; with an older one the search falls back to FAISS."""
    version = tuple(int(part) for part in torch.__version__.split("+")[0].split(".")[:2])
    assert tile_search.available() == (version >= (2, 8))
    if tile_search.available():
        halves = torch.empty((3, 5), dtype=torch.float16, device="meta")
        sims = torch.mm(halves, halves.T, out_dtype=torch.float32)
        assert (sims.shape, sims.dtype) == ((3, 3), torch.float32)
