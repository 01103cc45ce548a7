"""Top-k search of half-precision tensors on one device, by tiles, with products on tensor cores.

    queries [h, d], rows [l, d] ─ mm ─▶ sims [h, l] in single precision ─ topk ─▶ [h, k]
                                                        merged with the best of earlier tiles

FAISS multiplies half-precision rows on a GPU in cuBLAS's pedantic mode, that is without tensor
cores. Here torch multiplies them: `mm` with single-precision results. k has no limit.
Which of several equal sims at the k-th place is kept is arbitrary, as in FAISS; no row that is left
out has a higher sim than those kept.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Tensor = Any
"""A torch tensor; torch is imported lazily."""

LEAST_TILE_BYTES, MOST_TILE_BYTES = 2**26, 2**30
"""Bounds of the memory for the sims of a tile."""
_TILE_SHARE = 4
"""A tile takes at most this fraction of the free memory of a device: topk needs some, too."""
_LONGER = 16
"""Rows of a tile for each of its queries: topk reads long lists faster."""
_LISTS = 4
"""Least rows of a tile for each neighbour, so that merging costs little."""
_HALF_SUMS = ("allow_fp16_reduced_precision_reduction", "allow_fp16_accumulation")
"""Options of torch that let sums of products be in half precision."""


def available() -> bool:
    """Return whether this torch multiplies halves with single-precision results on GPUs."""
    import torch

    return hasattr(torch.ops.aten.mm, "dtype")  # the overload that takes `out_dtype`


def free_bytes(device: str) -> int:
    """Return the memory that a GPU has free, with what torch keeps there unused."""
    import torch

    free, _ = torch.cuda.mem_get_info(torch.device(device))
    return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)


def tile_bytes(device: str) -> int:
    """Return the memory for the sims of a tile on a device."""
    if device == "cpu":
        return LEAST_TILE_BYTES
    return max(LEAST_TILE_BYTES, min(free_bytes(device) // _TILE_SHARE, MOST_TILE_BYTES))


def tile_shape(queries: int, rows: int, k: int, memory_bytes: int) -> tuple[int, int]:
    """Return how many queries and rows a tile has."""
    cells = max(1, memory_bytes // 4)
    height = max(1, min(queries, math.isqrt(cells // _LONGER), cells // (_LISTS * k)))
    return height, max(1, min(rows, cells // height))


def products(queries: Tensor, rows: Tensor) -> Tensor:
    """Return inner products `[q, n]` of half-precision rows, summed in single precision."""
    import torch

    if rows.is_cuda:
        return torch.mm(queries, rows.T, out_dtype=torch.float32)
    return torch.mm(queries.float(), rows.float().T)  # the host has no such mm


def best_of_tiles(
    queries: Tensor,
    rows: Tensor,
    k: int,
    *,
    memory_bytes: int,
    multiply: Callable[[Tensor, Tensor], Tensor] = products,
) -> tuple[Tensor, Tensor]:
    """Return sims and row numbers `[q, k]` of half-precision tensors, best first; k ≤ the rows.

    `memory_bytes` is for the sims of a tile. The host queues all tiles without waiting.

    Raises:
        torch.OutOfMemoryError: the device has too little memory.
    """
    import torch

    shape = (len(queries), k)
    sims = torch.empty(shape, dtype=torch.float32, device=rows.device)
    places = torch.empty(shape, dtype=torch.int64, device=rows.device)
    height, length = tile_shape(len(queries), len(rows), k, memory_bytes)
    with single_sums():
        for start in range(0, len(queries), height):
            part = slice(start, start + height)
            sims[part], places[part] = _best(queries[part], rows, k, length, multiply)
    return sims, places


def _best(
    queries: Tensor,
    rows: Tensor,
    k: int,
    length: int,
    multiply: Callable[[Tensor, Tensor], Tensor],
) -> tuple[Tensor, Tensor]:
    import torch

    best: list[tuple[Tensor, Tensor]] = []
    for start in range(0, len(rows), length):
        tile = rows[start : start + length]
        sims, places = multiply(queries, tile).topk(min(k, len(tile)), dim=1, sorted=False)
        best.append((sims, places + start))
        if len(best) > 1:
            joined = [torch.cat(parts, dim=1) for parts in zip(*best, strict=True)]
            sims, at = joined[0].topk(min(k, joined[0].shape[1]), dim=1, sorted=False)
            best = [(sims, joined[1].gather(1, at))]
    sims, order = best[0][0].sort(dim=1, descending=True)
    return sims, best[0][1].gather(1, order)


class _SingleSums:
    """State of `single_sums`: callers inside, and the options that were on before the first."""

    lock = threading.Lock()
    inside = 0
    on: tuple[str, ...] = ()


@contextmanager
def single_sums() -> Iterator[None]:
    """Keep cuBLAS from summing in half precision; may be entered by several threads."""
    import torch

    options = torch.backends.cuda.matmul
    with _SingleSums.lock:
        if not _SingleSums.inside:
            _SingleSums.on = tuple(name for name in _HALF_SUMS if getattr(options, name, False))
            for name in _SingleSums.on:
                setattr(options, name, False)
        _SingleSums.inside += 1
    try:
        yield
    finally:
        with _SingleSums.lock:
            _SingleSums.inside -= 1
            if not _SingleSums.inside:
                for name in _SingleSums.on:
                    setattr(options, name, True)
