"""Rows that stay on a device: one copy in half precision, for the search and the exact step.

    table ─ pieces ─ pinned buffers ─▶ rows [m, d] on the device
    queries [q, d] ─ upload ─▶ FAISS on rows, range by range ─▶ best [q, depth]
                               exact inner products from the same rows ─▶ [q, k]

FAISS reads the tensors where they are. With half-precision queries and rows it multiplies on tensor
cores and accumulates in single precision; `rounding` bounds the error. A GPU search returns at most
2,048 rows. For more, the rows are cut into ranges, each searched on its own.
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

_BUFFER_BYTES = 2**26
_SHARE = 0.75
"""Share of a device's free memory for rows; the rest is for queries, results and FAISS."""


class ResidentRows:
    """Rows `[start, stop)` of a table on one device."""

    def __init__(
        self, table: VectorSource, start: int, stop: int, *, search: BlockSearch, device: str
    ) -> None:
        self.first, self.rows, self.width = start, stop - start, table.width
        self.error_bound = search.error_bound(table.width)
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

    found = [
        torch.cuda.mem_get_info(torch.device(device))[0]
        for device in search.devices
        if device != "cpu"
    ]
    return max(1, int(_SHARE * min(found)) // (2 * width)) if found else None


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
    if device == "cpu":
        for at, piece in _pieces(table, start, stop):
            rows[at : at + len(piece)] = tensor_of(piece)
        return rows
    step = max(1, _BUFFER_BYTES // (2 * table.width))
    with torch.cuda.device(device):
        buffers = [
            torch.empty((step, table.width), dtype=torch.float16, pin_memory=True) for _ in "ab"
        ]
        copied: list[Any] = [torch.cuda.Event() for _ in buffers]  # type: ignore[no-untyped-call]
        turn = 0
        for at, piece in _pieces(table, start, stop):
            for low in range(0, len(piece), step):
                part = tensor_of(piece[low : low + step])
                copied[turn].synchronize()  # the buffer's last copy; none at first
                buffers[turn][: len(part)].copy_(part)
                target = rows[at + low : at + low + len(part)]
                target.copy_(buffers[turn][: len(part)], non_blocking=True)
                copied[turn].record()
                turn = 1 - turn
        torch.cuda.current_stream().synchronize()
    return rows


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
