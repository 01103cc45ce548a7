"""Pairs of rows above a cosine, and for rows with very many the nearest of them."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np

from nsfwcaps.metrics.answer_sets import Rows
from nsfwcaps.metrics.similarities import Vectors
from nsfwcaps.metrics.tiles import (
    Side,
    Task,
    Tile,
    for_each_tile,
    pairs_at_once,
    rounding_bound,
    silent,
)

BAND_ROWS = 8192
"""Rows whose pairs are in memory at once."""


def near_pairs(
    vectors: Vectors, least: float, most: int, *, device: str = "cpu", task: Task = silent
) -> tuple[Rows, Rows]:
    """Return rows and neighbours `[m]` with a similarity of at least `least`; a row is its own.

    Vectors are `[n, d]`. Of a row with more than `most`, the nearest are kept. Whether a pair is
    near is decided in double precision; the order is that of single precision.

    Raises:
        DeviceError: the vectors do not fit in the device's memory.
    """
    side = Side.of(vectors, device)
    left, right = [], []
    with task(len(vectors) ** 2) as advance:
        for start in range(0, len(vectors), BAND_ROWS):
            band = slice(start, start + BAND_ROWS)
            rows, columns = _of_band(side, band, least, most, advance)
            left.append(rows + start)
            right.append(columns)
    nothing = np.empty(0, dtype=np.int64)
    return np.concatenate([nothing, *left]), np.concatenate([nothing, *right])


def _of_band(
    side: Side, band: slice, least: float, most: int, advance: Callable[[int], None]
) -> tuple[Rows, Rows]:
    """Return the pairs of some rows, ordered by row and then by nearness."""
    import torch

    rows = side.rows[band]
    error = rounding_bound(side, side)
    found: list[tuple[Rows, Rows, Vectors]] = []
    lock = threading.Lock()

    def collect(tile: Tile) -> None:
        mine, other = rows[tile.rows], side.rows[tile.columns]
        close = tile.sims >= least - error
        if not close.any():
            return
        if int(close.sum(dtype=torch.int32)) <= most * len(close):
            row, column = close.nonzero().T
            sims = tile.sims[row, column]
        else:  # a model that maps many rows to one point: no more than may be kept
            best = torch.where(close, tile.sims, -torch.inf).topk(min(most, close.shape[1]), dim=1)
            row, place = (best.values >= least - error).nonzero().T
            sims, column = best.values[row, place], best.indices[row, place]
        keep = sims > least + error
        for some in (~keep).nonzero()[:, 0].split(pairs_at_once(rows)):
            exact = (mine[row[some]].double() * other[column[some]].double()).sum(1)
            keep[some] = exact >= least
        part = _nearest(
            (row[keep] + tile.rows.start).cpu().numpy(),
            (column[keep] + tile.columns.start).cpu().numpy(),
            sims[keep].cpu().numpy(),
            most,
        )
        with lock:
            found.append(part)

    for_each_tile(rows, side.rows, collect, advance)
    if not found:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    rows_of, columns_of, sims_of = (np.concatenate(part) for part in zip(*found, strict=True))
    row, column, _ = _nearest(rows_of, columns_of, sims_of, most)
    return row, column


def _nearest(row: Rows, column: Rows, sims: Vectors, most: int) -> tuple[Rows, Rows, Vectors]:
    """Keep the nearest of each row, at most `most`."""
    order = np.lexsort((column, -sims, row))
    row, column, sims = row[order], column[order], sims[order]
    _, first, count = np.unique(row, return_index=True, return_counts=True)
    place = np.arange(len(row)) - np.repeat(first, count)
    keep = place < most
    return row[keep], column[keep], sims[keep]
