"""FAISS behind a small interface: exact search on CPU or GPU, approximate indexes, bits.

The one module that imports faiss. An exact search on a GPU is torch's (`tile_search`), because
FAISS would not use tensor cores; FAISS does it where torch is too old.
Rows are `[n, d]` float32 and unit; `sims` are inner products, larger = closer.
"""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np
import numpy.typing as npt

from nsfwcaps.enums import Device
from nsfwcaps.errors import ConfigError, DeviceError, first_line
from nsfwcaps.vectors import tile_search
from nsfwcaps.vectors.rounding import rounding_bound, tensor_core_bound

Single = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]
Bits = npt.NDArray[np.uint8]
"""Packed bits, eight a byte."""

GPU_MAX_K = 2048
"""FAISS returns at most this many neighbours per query on a GPU."""
TILES, FAISS = "tiles", "faiss"
"""Engines of exact search."""


class BlockSearch:
    """Exact top-k search by inner product on the requested devices: the host, or all its GPUs."""

    def __init__(self, asked: Device) -> None:
        self.devices = _devices(asked)
        self.resident = self.devices != ("cpu",)
        """Whether rows are copied to the devices; otherwise they are read block by block."""
        self.engine = TILES if self.resident and tile_search.available() else FAISS
        """What searches: `tiles` or `faiss`."""
        self._resources: dict[str, Any] = {}

    @property
    def device(self) -> str:
        """Kind of the devices, `cpu` or `cuda`."""
        return self.devices[0].partition(":")[0]

    @property
    def max_k(self) -> int | None:
        """Maximum k of one search, or None if unlimited."""
        return GPU_MAX_K if self.resident and self.engine == FAISS else None

    def error_bound(self, width: int) -> float:
        """Bound the error of a sim of two unit rows in half precision."""
        return tensor_core_bound(width) if self.resident else rounding_bound(width)

    def __call__(self, queries: Single, block: Single, k: int) -> tuple[Single, Rows]:
        """Search on the host: sims and row numbers in the block `[q, k]`, best first."""
        sims, rows = faiss.knn(queries, block, k, metric=faiss.METRIC_INNER_PRODUCT)
        return np.asarray(sims), np.asarray(rows)

    def on_device(self, queries: Any, rows: Any, k: int) -> tuple[Any, Any]:
        """Search torch tensors in half precision on one device; k ≤ `max_k` and the rows.

        Raises:
            torch.OutOfMemoryError: torch has too little memory there.
            DeviceError: FAISS has.
        """
        if self.engine == TILES:
            memory = tile_search.tile_bytes(str(rows.device))
            return tile_search.best_of_tiles(queries, rows, k, memory_bytes=memory)
        if rows.device.type == "cpu":
            _take_tensors()
            return faiss.knn(queries.float(), rows.float(), k, metric=faiss.METRIC_INNER_PRODUCT)
        return self._by_faiss(queries, rows, k)

    def _by_faiss(self, queries: Any, rows: Any, k: int) -> tuple[Any, Any]:
        import torch

        _take_tensors()
        device = str(rows.device)
        if device not in self._resources:
            self._resources[device] = faiss.StandardGpuResources()
        try:
            with torch.cuda.device(rows.device):
                # cuVS would read halves as single precision.
                return faiss.knn_gpu(
                    self._resources[device],
                    queries,
                    rows,
                    k,
                    metric=faiss.METRIC_INNER_PRODUCT,
                    device=rows.device.index,
                    use_cuvs=False,
                )
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            raise DeviceError(
                f"{device}: FAISS cannot search {len(rows)} vectors for {len(queries)} queries "
                f"({_faiss_message(error)}); lower --memory for fewer queries at once, end other "
                "programs on the GPU, or use --device cpu"
            ) from None


class BestRows:
    """Best k rows over all blocks so far: one heap per query."""

    def __init__(self, queries: int, k: int) -> None:
        self._heap = faiss.ResultHeap(queries, k, keep_max=True)

    def add(self, sims: Single, rows: Rows) -> None:
        """Merge a block's results; rows are numbers in the whole table."""
        self._heap.add_result(np.ascontiguousarray(sims), np.ascontiguousarray(rows))

    def result(self) -> tuple[Single, Rows]:
        """Return sims and rows `[q, k]`, best first."""
        self._heap.finalize()
        return self._heap.D, self._heap.I


class ApproximateIndex:
    """An index from a FAISS factory string, with user-set search parameters."""

    def __init__(self, factory: str, width: int, asked: Device) -> None:
        try:
            self._index = faiss.index_factory(width, factory, faiss.METRIC_INNER_PRODUCT)
        except RuntimeError as error:
            raise ConfigError(
                f"mine.index: FAISS does not accept '{factory}' for width {width}: "
                f"{_faiss_message(error)}"
            ) from None
        self._gpu = _use_gpu(asked)
        self.device = "cuda" if self._gpu else "cpu"

    def train(self, sample: Single) -> None:
        """Train on a sample of the rows to be added."""
        try:
            self._index.train(sample)
        except RuntimeError as error:
            raise ConfigError(
                f"mine.index: cannot train on {len(sample)} captions: {_faiss_message(error)}; "
                "choose an index with fewer cells"
            ) from None
        if self._gpu:
            self._to_gpu()

    def _to_gpu(self) -> None:
        try:
            self._resources = faiss.StandardGpuResources()
            self._index = faiss.index_cpu_to_gpu(self._resources, 0, self._index)
        except RuntimeError as error:
            raise DeviceError(
                f"mine.index: this index does not run on the GPU ({_faiss_message(error)}); "
                "use --device cpu"
            ) from None

    def add(self, block: Single) -> None:
        """Append rows, numbered in order of arrival."""
        self._index.add(block)

    def set(self, parameters: str) -> None:
        """Set search parameters such as `nprobe=16` or `efSearch=64`.

        Raises:
            ConfigError: the index has no such parameter.
        """
        space: Any = faiss.GpuParameterSpace() if self._gpu else faiss.ParameterSpace()
        try:
            space.set_index_parameters(self._index, parameters)
        except RuntimeError as error:
            raise ConfigError(
                f"mine.index_parameters: '{parameters}': {_faiss_message(error)}"
            ) from None

    def effort(self) -> str | None:
        """Return the parameter that trades time for recall, or None."""
        inner = faiss.extract_index_ivf(self._index) if _is_ivf(self._index) else None
        if inner is not None:
            return "nprobe"
        plain = faiss.downcast_index(_innermost(self._index))
        return "efSearch" if hasattr(plain, "hnsw") else None

    @property
    def most_effort(self) -> int:
        """Return the effort beyond which nothing is gained: all cells, or a deep graph search."""
        return int(faiss.extract_index_ivf(self._index).nlist) if _is_ivf(self._index) else 4096

    def search(self, queries: Single, k: int) -> tuple[Single, Rows]:
        """Return sims and rows `[q, k]`; −1 where the index found fewer.

        Raises:
            ConfigError: a parameter is out of range (`nprobe=0`), which FAISS checks only now.
        """
        try:
            sims, rows = self._index.search(queries, k)
        except RuntimeError as error:
            raise ConfigError(
                f"mine.index_parameters: the index cannot search: {_faiss_message(error)}"
            ) from None
        return sims, rows


def gpu_count() -> int:
    """Return the number of GPUs that FAISS can use."""
    return int(faiss.get_num_gpus()) if hasattr(faiss, "get_num_gpus") else 0


def version() -> str:
    """Return the FAISS version and its compile options."""
    return f"{faiss.__version__} ({faiss.get_compile_options().strip()})"


def within_bits(queries: Bits, rows: Bits, bits: int, *, memory_bytes: int) -> tuple[Rows, Rows]:
    """Return all (query, row) `[m]`, `[m]` of `[q, b / 8]`, `[n, b / 8]` that differ in ≤ `bits`.

    `memory_bytes` bounds the results of one search, even if every query is near every row.
    """
    left, right = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    index = faiss.IndexBinaryFlat(8 * rows.shape[1])
    index.add(np.ascontiguousarray(rows))
    step = max(1, memory_bytes // (16 * max(1, len(rows))))
    for start in range(0, len(queries), step):
        block = np.ascontiguousarray(queries[start : start + step])
        ends, _, found = index.range_search(block, bits + 1)  # FAISS: strictly less
        counts = np.diff(ends).astype(np.int64)  # [block]
        left.append(start + np.repeat(np.arange(len(block)), counts))
        right.append(found.astype(np.int64))
    return np.concatenate(left), np.concatenate(right)


def _use_gpu(asked: Device) -> bool:
    return _devices(asked) != ("cpu",)


def _devices(asked: Device) -> tuple[str, ...]:
    """Return `cpu`, or the GPUs that both FAISS and torch can use."""
    if asked is Device.CPU or not gpu_count():
        found = 0
    else:
        import torch

        found = min(gpu_count(), torch.cuda.device_count())
    if not found and asked is Device.CUDA:
        raise DeviceError(
            "device=cuda was requested, but FAISS finds no GPU that torch finds too; run "
            "'nsfwcaps doctor' to see why, or use --device cpu"
        )
    return tuple(f"cuda:{number}" for number in range(found)) or ("cpu",)


def _take_tensors() -> None:
    """Make FAISS take torch tensors."""
    from faiss.contrib import torch_utils  # noqa: F401


def _is_ivf(index: Any) -> bool:
    return faiss.try_extract_index_ivf(index) is not None


def _innermost(index: Any) -> Any:
    while hasattr(plain := faiss.downcast_index(index), "index"):
        index = plain.index
    return index


def _faiss_message(error: RuntimeError) -> str:
    """Strip the C++ function and file from a FAISS message."""
    return first_line(str(error).rpartition(": ")[2].strip())
