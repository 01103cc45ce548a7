"""Pairs of rows above a cosine, and for rows with very many the nearest of them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nsfwcaps.metrics.answer_sets import Rows
from nsfwcaps.metrics.nearest_of_rows import NearestOfRows
from nsfwcaps.metrics.similarities import Vectors
from nsfwcaps.metrics.tiles import (
    Side,
    Task,
    Tensor,
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

    Vectors are `[n, d]`. Of a row with more than `most`, the nearest are kept: of equals, those of
    lower rows. Whether a pair is near is decided in double precision; the order is that of single
    precision.

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
    rows = side.rows[band]
    error = rounding_bound(side, side)
    lowest = np.nextafter(np.float32(least - error), np.float32(-np.inf))
    nearest = NearestOfRows(len(rows), min(most, len(side)))

    def collect(tile: Tile) -> None:
        floors = nearest.floors(tile.rows, tile.columns.start, lowest)
        row, column, sims = _close(tile.sims, floors, most)
        mine, other = rows[tile.rows], side.rows[tile.columns]
        keep = sims > least + error
        unsure = (~keep).nonzero()[:, 0]
        if len(unsure):
            for some in unsure.split(pairs_at_once(rows)):
                exact = (mine[row[some]].double() * other[column[some]].double()).sum(1)
                keep[some] = exact >= least
            row, column, sims = row[keep], column[keep], sims[keep]
        nearest.add(
            row.cpu().numpy() + tile.rows.start,
            column.cpu().numpy() + tile.columns.start,
            sims.cpu().numpy(),
        )

    for_each_tile(rows, side.rows, collect, advance)
    return nearest.pairs()


def _close(sims: Tensor, floors: Vectors, most: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return rows, columns and similarities `[m]` of at least the row's floor.

    They are ordered by row. Of a row with more than `most`, the nearest.
    """
    import torch

    floor = torch.from_numpy(floors).to(sims.device)
    top = sims.amax(1)  # not a number where any is not
    rows = (~(top < floor)).nonzero()[:, 0]  # few, in most tiles
    sims, floor = _at(sims, rows), _at(floor, rows)[:, None]
    close = sims >= floor
    if not top.isfinite().all():
        sims = torch.where(close, sims, -torch.inf)
    many = (close.sum(1, dtype=torch.int32) > most).nonzero()[:, 0]
    if len(many):  # a model that maps many rows to one point: no more than may be kept
        close[many] = _best(_at(sims, many), most)
    place = _places(close)
    row = place // sims.shape[1]
    return rows[row], place - row * sims.shape[1], sims.reshape(-1)[place]


def _best(sims: Tensor, most: int) -> Tensor:
    """Return which `most` of more similarities are the greatest; of equals, the first."""
    import torch

    if sims.is_cuda:
        last = sims.topk(most, dim=1).values[:, -1:]
    else:  # many times as fast as torch
        place = sims.shape[1] - most
        last = torch.from_numpy(np.partition(sims.numpy(), place, axis=1)[:, place, None])
    best = sims >= last
    tied = (best.sum(1, dtype=torch.int32) > most).nonzero()[:, 0]
    if len(tied):
        above = _at(sims, tied) > last[tied]
        room = most - above.sum(1, dtype=torch.int32)
        equal = _at(best, tied) & ~above
        best[tied] = above | (equal & (equal.cumsum(1, dtype=torch.int32) <= room[:, None]))
    return best


def _at(values: Tensor, rows: Tensor) -> Tensor:
    """Return some rows, in order, without a copy if they are all."""
    return values if len(rows) == len(values) else values[rows]


def _places(there: Tensor) -> Tensor:
    """Return where a matrix is true, as places in its rows one after the other."""
    import torch

    if there.is_cuda:
        return there.reshape(-1).nonzero()[:, 0]
    return torch.from_numpy(np.flatnonzero(there.numpy()))  # twice as fast as torch
