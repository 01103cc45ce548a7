"""A GPU's search on the host: resident rows, sums as tensor cores truncate them, a limit on k."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from nsfwcaps.enums import Device
from nsfwcaps.vectors.index import BlockSearch
from nsfwcaps.vectors.source import Half
from nsfwcaps.vectors.tile_search import best_of_tiles

Exact = npt.NDArray[np.float64]


def truncated_products(queries: Half, rows: Half, block: int) -> npt.NDArray[np.float32]:
    """Inner products `[q, n]` as a tensor core without spare bits computes them.

    `block` products and the accumulator are aligned to the largest of them and cut off after 24
    bits; their sum is cut off after 24 bits again.
    """
    left, right = queries.astype(np.float64), rows.astype(np.float64)
    total = np.zeros((len(left), len(right)))
    for start in range(0, left.shape[1], block):
        part = slice(start, start + block)
        addends = np.concatenate([total[..., None], left[:, None, part] * right[None, :, part]], -1)
        step = _last_bit(np.abs(addends).max(axis=-1))
        total = _cut((_cut(addends, step[..., None])).sum(axis=-1))
    single = total.astype(np.float32)
    assert (single == total).all(), "24 bits fit single precision"
    return single


def _last_bit(largest: Exact) -> Exact:
    """The last of 24 bits of numbers `[…]`."""
    return np.ldexp(1.0, np.frexp(largest)[1] - 24)


def _cut(numbers: Exact, step: Exact | None = None) -> Exact:
    """Truncate towards zero, to multiples of `step` or to 24 bits."""
    step = _last_bit(np.abs(numbers)) if step is None else step
    return np.trunc(numbers / step) * step


class TensorCores(BlockSearch):
    """Devices that hold rows, are pretended, and compute with truncated sums.

    Without a limit on k they search by tiles of `tile_bytes`.
    """

    def __init__(
        self,
        lanes: int = 1,
        max_k: int | None = None,
        block: int = 8,
        tile_bytes: int = 2**20,
    ) -> None:
        super().__init__(Device.CPU)
        self.devices, self.resident = ("cpu",) * lanes, True
        self._max_k, self._block, self._tile_bytes = max_k, block, tile_bytes
        self.calls: list[tuple[int, int, int]] = []
        """Queries, rows and k of each search."""

    @property
    def max_k(self) -> int | None:
        return self._max_k

    def on_device(self, queries: Any, rows: Any, k: int) -> tuple[Any, Any]:
        assert queries.dtype == rows.dtype == torch.float16
        assert self._max_k is None or k <= self._max_k, "the device cannot look this deep"
        self.calls.append((len(queries), len(rows), k))
        if self._max_k is None:
            return best_of_tiles(
                queries, rows, k, memory_bytes=self._tile_bytes, multiply=self._products
            )
        return self._products(queries, rows).topk(k, dim=1)

    def _products(self, queries: Any, rows: Any) -> Any:
        return torch.from_numpy(truncated_products(queries.numpy(), rows.numpy(), self._block))


class PlainGpu(TensorCores):
    """The same with a real engine's search of half-precision tensors: FAISS, or tiles."""

    def __init__(self, engine: str, max_k: int | None = None) -> None:
        super().__init__(max_k=max_k)
        self.engine = engine

    def on_device(self, queries: Any, rows: Any, k: int) -> tuple[Any, Any]:
        self.calls.append((len(queries), len(rows), k))
        return BlockSearch.on_device(self, queries, rows, k)
