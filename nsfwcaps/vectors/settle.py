"""Exact order of a search's results: near-ties are recomputed, and what is not proven is redone.

A search in single precision decides almost everything, but its last bits depend on the device and
on the blocking. Two sims closer than twice the error bound of the engine are computed exactly, by
the holder of the rows. Equal cosines are ordered by row, which means by id. All tensors stay where
the rows are.
"""

from __future__ import annotations

from typing import Protocol

from nsfwcaps.errors import DeviceError
from nsfwcaps.progress import Advance
from nsfwcaps.vectors.exact import Tensor, one_thread
from nsfwcaps.vectors.source import Half

EXTRA = 16
"""Neighbours fetched beyond k, to detect near-ties at the k-th place."""
_DEEPER = 8
"""Factor of that number in each further search."""


class HeldRows(Protocol):
    """Rows of a table where they are searched. Tensors are on that device; row numbers from 0."""

    first: int
    """Number in the table of the first row."""
    rows: int
    width: int
    error_bound: float
    """Largest error of a sim of `best`."""

    def load(self, queries: Half) -> Tensor:
        """Queries `[q, d]` where the rows are."""
        ...

    def best(self, queries: Tensor, depth: int, advance: Advance) -> tuple[Tensor, Tensor]:
        """Sims and rows `[q, depth]`, best first; a row left out has no higher sim."""
        ...

    def exact_pairs(self, queries: Tensor, query_of: Tensor, row_of: Tensor) -> Tensor:
        """Exact inner products `[m]` of m (query, row) pairs."""
        ...

    def exact_places(self, queries: Tensor, row_of: Tensor) -> Tensor:
        """Exact inner products `[q, k]` of each query with its rows."""
        ...


def ranked(
    queries: Tensor,
    held: HeldRows,
    k: int,
    *,
    exact: bool,
    advance: Advance = lambda rows: None,
    extra: int = EXTRA,
) -> tuple[Tensor, Tensor]:
    """Return sims, in double precision, and rows `[q, k]` of loaded queries; k ≤ the rows held.

    The order is exact; with `exact`, so are the sims.

    Raises:
        DeviceError: the device computed a sim outside its error bound.
    """
    sims, rows = held.best(queries, min(k + extra, held.rows), advance)
    with one_thread():
        settled, rows, certain = _settle(queries, held, sims, rows, k, exact=exact)
    if not certain.all():
        # More near-ties at the k-th place than were fetched: search deeper for these queries only.
        again = (~certain).nonzero().flatten()
        deeper = ranked(queries[again], held, k, exact=exact, extra=extra * _DEEPER)
        settled[again], rows[again] = deeper
    return settled, rows


def _settle(
    queries: Tensor, held: HeldRows, sims: Tensor, rows: Tensor, k: int, *, exact: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """Order near-ties exactly, cut to k, and flag the queries whose top k is proven."""
    slack = 2 * held.error_bound
    settled = sims.double()
    last_fetched = settled[:, -1].clone()
    tied = _tied(sims, slack, k)
    if exact:
        tied[:, :k] = False
        settled[:, :k] = held.exact_places(queries, rows[:, :k])
    query_of, place = tied.nonzero(as_tuple=True)
    if len(query_of):
        settled[query_of, place] = held.exact_pairs(queries, query_of, rows[query_of, place])
    _check_errors(settled, sims, held.error_bound)
    again = _unordered(settled, rows).nonzero().flatten()
    if len(again):
        settled[again], rows[again] = _sorted(settled[again], rows[again])
    certain = settled[:, k - 1] > last_fetched + slack
    if sims.shape[1] == held.rows:
        certain.fill_(True)
    return settled[:, :k], rows[:, :k], certain


def _tied(sims: Tensor, slack: float, k: int) -> Tensor:
    """Flag the places `[q, depth]` whose order the sims leave open."""
    import torch

    close = sims[:, :-1] - sims[:, 1:] <= slack  # [q, depth − 1]
    # Beyond the k-th place, only ties with it matter.
    close[:, k:] &= close[:, k - 1 :].cumprod(dim=1, dtype=torch.uint8)[:, :-1].bool()
    tied = torch.zeros_like(sims, dtype=torch.bool)
    tied[:, :-1] |= close
    tied[:, 1:] |= close
    return tied


def _check_errors(settled: Tensor, sims: Tensor, bound: float) -> None:
    """Refuse sims that are further from the exact ones than the proof assumes."""
    error = float((settled - sims).abs().max()) if sims.numel() else 0.0
    if not error <= bound:
        raise DeviceError(
            f"the search on {sims.device} computed a cosine with an error of {error:.1e}; at most "
            f"{bound:.1e} was expected, so its neighbours may be wrong; use --device cpu"
        )


def _unordered(sims: Tensor, rows: Tensor) -> Tensor:
    """Flag the queries `[q]` whose places are not sorted by sim, then row."""
    left, right = sims[:, :-1], sims[:, 1:]
    wrong = (left < right) | ((left == right) & (rows[:, :-1] > rows[:, 1:]))
    flags: Tensor = wrong.any(dim=1)
    return flags


def _sorted(sims: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Sort each query's places `[q, n]` by descending sim, then by row."""
    rows, order = rows.sort(dim=1)
    sims, by_sim = sims.gather(1, order).sort(dim=1, descending=True, stable=True)
    return sims, rows.gather(1, by_sim)


def merged(sims: Tensor, rows: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the k best of exact sims and rows `[q, n]` from several parts."""
    sims, rows = _sorted(sims, rows)
    return sims[:, :k], rows[:, :k]
