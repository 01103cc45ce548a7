"""Ranks of right candidates for several questions at once, with as few products as possible.

T→V and V→T read the rows and the columns of one product. So do T*→V and V*→T for their unsafe
candidates. The four directions take four products instead of six.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from nsfwcaps.metrics.answer_sets import Rows, Sets
from nsfwcaps.metrics.counting import Counter, Doubles, Limit, Top
from nsfwcaps.metrics.similarities import TIE, Vectors
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

_ROWS, _COLUMNS = 512, 1024


@dataclass(frozen=True, kw_only=True)
class RankingQuestion:
    """Queries of one side, ranked among the candidates of others; sides go by their names."""

    side: str
    pools: tuple[str, ...]
    """Sides of the candidates. Right ones are in the first."""
    right: Sequence[Sets] = ()
    """Right candidates of each query `[q]`; a rank is given for each of these."""
    items: Rows | None = None
    """Distinct rows `[q]` of the side that are queries; None: all."""
    itself: Rows | None = None
    """Row `[q]` of the last pool that is the query itself, and no candidate for it."""
    compares: bool = False
    """Whether it is asked if the nearest candidate is of the last of two pools."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What was found for each query `[q]`."""

    ranks: Sequence[Rows]
    """From 0, for each of the question's `right`: the wrong candidates before the best right one.

    Ties within `TIE` count half, rounded up; candidates that are no number count as nearer. A query
    without right candidates, or only with NaN, is last: its rank is the number of candidates.
    """
    last_pool_first: npt.NDArray[np.bool_] | None
    """Whether no candidate of the first pool is nearer, by more than `TIE`, than all of the last.

    Also true if any similarity is no number; None if not asked.
    """


def answer(
    sides: Mapping[str, Vectors],
    questions: Sequence[RankingQuestion],
    *,
    device: str = "cpu",
    task: Task = silent,
) -> list[Answer]:
    """Answer questions about unit rows `[n, d]` of some sides, on `cpu` or `cuda`.

    The answers are those of exact arithmetic up to the rounding of double precision, so they do
    not depend on the device.

    Raises:
        DeviceError: the vectors do not fit in the device's memory.
    """
    used = {name for question in questions for name in (question.side, *question.pools)}
    held = {name: Side.of(sides[name], device) for name in used}
    asked = [_Asked(question, held) for question in questions]
    products = _products(asked)
    with task(sum(product.size for product in products)) as advance:
        for product in products:
            product.compute(advance)
    return [one.answer() for one in asked]


class _Asked:
    """A question with its state: limits, and the nearest candidate of each pool."""

    def __init__(self, question: RankingQuestion, sides: Mapping[str, Side]) -> None:
        import torch

        self.question = question
        self.all_rows = sides[question.side].rows
        pools = [sides[name] for name in question.pools]
        self.pools = [pool.rows for pool in pools]
        self.errors = [rounding_bound(sides[question.side], pool) for pool in pools]
        items = question.items
        device = self.all_rows.device
        self.items = None if items is None else torch.from_numpy(items).to(device)
        self.queries = self.all_rows if self.items is None else self.all_rows[self.items]
        self.limits = [
            Limit(_best(self.queries, self.pools[0], sets), device) for sets in question.right
        ]
        wanted = self.pools if question.compares else []
        self.tops = [Top(len(self.queries), device) for _ in wanted]

    def counter(self, pool: int, axis: int, *, whole: bool) -> Counter:
        """Return what counts along an axis of the product with a pool.

        The axis has all rows of the query's side if `whole`, otherwise the queries alone.
        """
        places = self._places() if whole and self.items is not None else None
        rights = self.question.right if pool == 0 else [None] * len(self.limits)
        return Counter(
            self.all_rows if whole else self.queries,
            self.pools[pool],
            axis,
            places=places,
            limits=list(zip(self.limits, rights, strict=True)),
            top=self.tops[pool] if self.tops else None,
            itself=self.itself(pool),
            error=self.errors[pool],
        )

    def itself(self, pool: int) -> Rows | None:
        """Rows of a pool that are the queries themselves."""
        return self.question.itself if pool == len(self.pools) - 1 else None

    def answer(self) -> Answer:
        """Return the answer, once all products were computed."""
        candidates = sum(map(len, self.pools))
        return Answer(
            ranks=[limit.ranks(candidates) for limit in self.limits],
            last_pool_first=self._last_pool_first() if self.tops else None,
        )

    def _places(self) -> Tensor:
        """Return the number of the query at each row of the side, −1 for none."""
        import torch

        places = torch.full((len(self.all_rows),), -1, device=self.all_rows.device)
        places[self.items] = torch.arange(len(self.queries), device=places.device)
        return places

    def _last_pool_first(self) -> npt.NDArray[np.bool_]:
        first, last = self.tops[0].sims.double(), self.tops[-1].sims.double()
        ahead = first - TIE - last
        unsure = (ahead.abs() <= self.errors[0] + self.errors[-1]).nonzero()[:, 0]
        ahead[unsure] = self._exactly_ahead(unsure)
        out: npt.NDArray[np.bool_] = (~(ahead > 0)).cpu().numpy()
        return out

    def _exactly_ahead(self, which: Tensor) -> Tensor:
        """Return how far the first pool is ahead `[w]`, in double precision."""
        import torch

        queries = self.queries[which].double()
        tops = []
        for number in (0, len(self.pools) - 1):
            pool, itself = self.pools[number], self.itself(number)
            own = None if itself is None else torch.from_numpy(itself).to(which.device)[which]
            top = torch.full((len(which),), -torch.inf, dtype=torch.float64, device=which.device)
            for start in range(0, len(pool), _COLUMNS):
                offered = pool[start : start + _COLUMNS].double().T
                for at in range(0, len(which), _ROWS):
                    some = slice(at, at + _ROWS)
                    sims = queries[some] @ offered
                    if own is not None:
                        there = ((own[some] >= start) & (own[some] < start + _COLUMNS)).nonzero()
                        there = there[:, 0]
                        sims[there, own[some][there] - start] = -torch.inf
                    torch.maximum(top[some], sims.amax(1), out=top[some])
            tops.append(top)
        return tops[0] - TIE - tops[1]


@dataclass(kw_only=True)
class _Product:
    """One product, and what is counted in it: pairs of a question and its pool."""

    along_rows: list[tuple[_Asked, int]] = field(default_factory=list)
    along_columns: list[tuple[_Asked, int]] = field(default_factory=list)

    @property
    def _whole(self) -> bool:
        """Whether all rows of a side are needed, as they are candidates of another question."""
        return bool(self.along_columns) or len(self.along_rows) > 1

    @property
    def _sides(self) -> tuple[Tensor, Tensor]:
        asked, pool = self.along_rows[0]
        return asked.all_rows if self._whole else asked.queries, asked.pools[pool]

    @property
    def size(self) -> int:
        """Number of similarities."""
        left, right = self._sides
        return len(left) * len(right)

    def compute(self, advance: Callable[[int], None]) -> None:
        """Count in all tiles."""
        counters = [
            one.counter(number, axis, whole=self._whole)
            for axis, those in enumerate((self.along_rows, self.along_columns))
            for one, number in those
        ]

        def count(tile: Tile) -> None:
            for counter in counters:
                counter.add(tile)

        for_each_tile(*self._sides, count, advance)


def _products(asked: Sequence[_Asked]) -> list[_Product]:
    """Group questions and pools by product; one that leaves out entries is not shared."""
    found: dict[tuple[object, ...], _Product] = {}
    for number, one in enumerate(asked):
        for pool, name in enumerate(one.question.pools):
            pair = one.question.side, name
            alone = (number,) if one.itself(pool) is not None or pair[0] == pair[1] else ()
            if pair[::-1] in found and not alone:
                found[pair[::-1]].along_columns.append((one, pool))
            else:
                found.setdefault((*pair, *alone), _Product()).along_rows.append((one, pool))
    return list(found.values())


def _best(queries: Tensor, pool: Tensor, right: Sets) -> Doubles:
    """Return the best similarity `[q]` of each query's right candidates; −∞ if none is a number."""
    import torch

    best = np.full(len(queries), -np.inf)
    owners = right.owners
    size = pairs_at_once(pool)
    for start in range(0, len(owners), size):
        some = slice(start, start + size)
        mine, other = (
            side[torch.from_numpy(rows[some]).to(side.device)].double()
            for side, rows in ((queries, owners), (pool, right.rows))
        )
        np.fmax.at(best, owners[some], (mine * other).sum(1).cpu().numpy())
    return best
