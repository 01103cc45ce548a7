"""Rows that stay on a device: one copy in half precision, for the search and the exact step.

    table ─ pieces ─ pinned buffers ─▶ rows [m, d] on the device
    queries [q, d] ─ upload ─▶ search of the rows ─▶ best [q, depth]
                               exact inner products from the same rows ─▶ [q, k]

The search reads the tensors where they are: by tiles, on tensor cores (`tile_search`), or by FAISS
where torch is too old for that. FAISS multiplies half-precision rows in single precision without
tensor cores, and returns at most 2,048 rows. For more, the rows are cut into ranges, each searched
on its own. `rounding` bounds the error of both engines.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from nsfwcaps.errors import DeviceError, first_line
from nsfwcaps.progress import Advance
from nsfwcaps.vectors.exact import Tensor, exact_of_pairs, exact_of_places, tensor_of
from nsfwcaps.vectors.index import BlockSearch
from nsfwcaps.vectors.source import Half, VectorSource
from nsfwcaps.vectors.tile_search import MOST_TILE_BYTES, free_bytes

_BUFFER_BYTES = 2**26
_SHARE = 0.75
"""Share of a device's free memory for rows."""
_ROOM = 3 * MOST_TILE_BYTES
"""Memory of a device for the rest: a tile and its topk, queries, results, the exact step."""
_ROOM_SHARE = 0.5
"""Share of a small device's free memory for the rest: tiles and batches of queries shrink."""


class ResidentRows:
    """Rows `[start, stop)` of a table on one device."""

    def __init__(
        self, table: VectorSource, start: int, stop: int, *, search: BlockSearch, device: str
    ) -> None:
        self.first, self.rows, self.width = start, stop - start, table.width
        self.error_bound = search.error_bound(table.width) * table.squared_length
        self._search, self._device = search, device
        self._rows = _upload(table, start, stop, device)

    def load(self, queries: Half) -> Tensor:
        """Copy queries `[q, d]` to the device."""
        return tensor_of(queries).to(self._device)

    def best(self, queries: Tensor, depth: int, advance: Advance) -> tuple[Tensor, Tensor]:
        """Return sims and rows `[q, depth]`, best first; rows count from the first one held."""
        found = self._best(queries, 0, self.rows, depth)
        advance(self.rows)
        return found

    def exact_pairs(self, queries: Tensor, query_of: Tensor, row_of: Tensor) -> Tensor:
        """Return exact inner products `[m]`."""
        return exact_of_pairs(queries, self._rows, query_of, row_of)

    def exact_places(self, queries: Tensor, row_of: Tensor) -> Tensor:
        """Return exact inner products `[q, k]` of each query with its rows."""
        return exact_of_places(queries, self._rows, row_of)

    def tiles(self, rows: int) -> Iterator[Tensor]:
        """Yield all rows in single precision on the device, `rows` at a time."""
        for start in range(0, self.rows, rows):
            yield self._rows[start : start + rows].float()

    def _best(self, queries: Tensor, low: int, high: int, depth: int) -> tuple[Tensor, Tensor]:
        """Return the best `depth` of the rows `[low, high)`, or all of them if they are fewer."""
        most = self._search.max_k
        depth = min(depth, high - low)
        if most is None or depth <= most:
            sims, rows = self._search.on_device(queries, self._rows[low:high], depth)
            return sims, rows + low
        return self._in_ranges(queries, low, high, depth, most)

    def _in_ranges(
        self, queries: Tensor, low: int, high: int, depth: int, most: int
    ) -> tuple[Tensor, Tensor]:
        """Search each of several ranges for `most` rows, and merge.

        Ids are hashes, so a range holds about its share of the best rows: half of what is fetched.
        Where the last row fetched of a range is among the best, the range may hide more of them;
        for those queries it is searched for all `depth`, in smaller ranges.
        """
        import torch

        count = max(2, math.ceil(2 * depth / most))
        size = math.ceil((high - low) / count)
        cuts = [(start, min(start + size, high)) for start in range(low, high, size)]
        found = [self._best(queries, *cut, most) for cut in cuts]
        sims, rows = _merged([sims for sims, _ in found], [rows for _, rows in found], depth)
        hides = torch.stack(
            [
                (part[:, -1] > sims[:, -1]) & (part.shape[1] < stop - start)
                for (part, _), (start, stop) in zip(found, cuts, strict=True)
            ]
        )  # [ranges, q]
        for query_rows in _alike(hides):
            asked = queries[query_rows]
            again = hides[:, query_rows[0]].tolist()
            deeper = [
                self._best(asked, *cut, depth)
                if hidden
                else (part[0][query_rows], part[1][query_rows])
                for cut, part, hidden in zip(cuts, found, again, strict=True)
            ]
            best = _merged([part for part, _ in deeper], [part for _, part in deeper], depth)
            sims[query_rows], rows[query_rows] = best
        return sims, rows


def rows_that_fit(width: int, search: BlockSearch) -> int | None:
    """Return how many rows fit each device; None without a limit."""
    import torch

    torch.cuda.empty_cache()  # what earlier work has freed
    found = [free_bytes(device) for device in search.devices if device != "cpu"]
    return max(1, bytes_for_rows(min(found)) // (2 * width)) if found else None


def bytes_for_rows(free: int) -> int:
    """Return how many of the free bytes of a device are for rows."""
    room = max((1 - _SHARE) * free, min(_ROOM, _ROOM_SHARE * free))
    return int(free - room)


def _merged(sims: list[Tensor], rows: list[Tensor], depth: int) -> tuple[Tensor, Tensor]:
    """Return the best `depth` of several lists for each query."""
    import torch

    joined = torch.cat(sims, dim=1)
    best, places = joined.topk(min(depth, joined.shape[1]), dim=1)
    return best, torch.cat(rows, dim=1).gather(1, places)


def _alike(hides: Tensor) -> Iterator[Tensor]:
    """Yield the queries `[m]` that have the same ranges to search again, if any."""
    import torch

    open_queries = hides.any(dim=0).nonzero().flatten()
    if len(open_queries):
        found = hides[:, open_queries].to(torch.uint8)
        kinds, kind_of = torch.unique(found, dim=1, return_inverse=True)
        for kind in range(kinds.shape[1]):
            yield open_queries[kind_of == kind]


def _upload(table: VectorSource, start: int, stop: int, device: str) -> Tensor:
    """Copy rows `[start, stop)` to a device, through two pinned buffers on a GPU."""
    import torch

    try:
        rows = torch.empty((stop - start, table.width), dtype=torch.float16, device=device)
    except torch.OutOfMemoryError as error:
        raise DeviceError(
            f"{device}: no memory for {stop - start} vectors of width {table.width} "
            f"({first_line(str(error))}); end other programs on it, or use --device cpu"
        ) from None
    step = max(1, _BUFFER_BYTES // (2 * table.width))
    staging = _Staging(min(step, stop - start), table.width, device)
    for at, piece in _pieces(table, start, stop):
        for low in range(0, len(piece), step):
            part = tensor_of(piece[low : low + step])
            staging.copy(part, rows[at + low : at + low + len(part)])
    staging.finish()
    return rows


class _Staging:
    """Two buffers, pinned for a GPU: one is filled while the other is copied to the device."""

    def __init__(self, rows: int, width: int, device: str) -> None:
        import torch

        self._device, self._cuda = device, device != "cpu"
        self._buffers = [
            torch.empty((rows, width), dtype=torch.float16, pin_memory=self._cuda) for _ in range(2)
        ]
        self._copied: list[Any] = [
            torch.cuda.Event() if self._cuda else None  # type: ignore[no-untyped-call]
            for _ in range(2)
        ]
        self._turn = 0

    def copy(self, part: Tensor, target: Tensor) -> None:
        """Start to copy rows from the host to the device."""
        import torch

        buffer, copied = self._buffers[self._turn][: len(part)], self._copied[self._turn]
        if copied:
            copied.synchronize()  # the last copy from this buffer
        buffer.copy_(part)
        target.copy_(buffer, non_blocking=True)
        if copied:
            copied.record(torch.cuda.current_stream(self._device))
        self._turn = 1 - self._turn

    def finish(self) -> None:
        """Wait for the last copies."""
        import torch

        if self._cuda:
            torch.cuda.current_stream(self._device).synchronize()


def _pieces(table: VectorSource, start: int, stop: int) -> Iterator[tuple[int, Half]]:
    """Yield (place, vectors) of each piece of the rows `[start, stop)`; places count from 0."""
    first = 0
    for piece in table.pieces():
        low, high = max(start - first, 0), min(stop - first, len(piece))
        if low < high:
            yield first + low - start, piece[low:high]
        first += len(piece)
        if first >= stop:
            return
