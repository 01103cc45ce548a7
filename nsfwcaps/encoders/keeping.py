"""Rows that outlive a kill: what is encoded of a call so far is kept from time to time.

Batches are the same in a call that goes on from kept rows, so its rows are too, to the last bit.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    import torch

SECONDS = 30.0
"""Work between two times that rows are kept: what a kill costs, beside the batch at work."""

Places = npt.NDArray[np.int64]
UnitRows = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class KeptRows:
    """Rows `[m, d]` of m of the inputs of a call."""

    places: Places
    """Which inputs `[m]`."""
    rows: UnitRows
    failed: Mapping[int, str] = field(default_factory=dict)
    """Further inputs, which cannot be encoded, with the reasons."""


class Keeper(Protocol):
    """Keeps rows of one call."""

    def kept(self) -> Sequence[KeptRows]:
        """Return what earlier calls with the same inputs have kept."""
        ...

    def due(self) -> bool:
        """Whether it is time to keep what is new."""
        ...

    def keep(self, rows: KeptRows) -> None:
        """Keep rows; their arrays do not change any more."""
        ...


class Keeping:
    """Collects the rows of a call, and hands them to its keeper when that is due.

    Use it as a context: what is new at an error, such as Ctrl-C, is kept too.
    """

    def __init__(self, keeper: Keeper | None) -> None:
        """Without a keeper, it does nothing."""
        self._keeper = keeper
        self._width = 0
        self._new: list[tuple[Places, Sequence[torch.Tensor], Mapping[int, str]]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None and self._new:
            with contextlib.suppress(Exception):  # the first error is the one to show
                self._hand_over()

    def known(
        self, count: int, width: int
    ) -> tuple[UnitRows, npt.NDArray[np.bool_], dict[int, str]]:
        """Return rows `[n, d]` of n inputs, a mask `[n]` of those kept earlier, and failures.

        Failed inputs are in the mask; their rows have no meaning.
        """
        self._width = width
        rows = np.empty((count, width), dtype=np.float32)
        there = np.zeros(count, dtype=np.bool_)
        failed: dict[int, str] = {}
        for kept in self._keeper.kept() if self._keeper is not None else ():
            rows[kept.places] = kept.rows
            there[kept.places] = True
            there[list(kept.failed)] = True
            failed |= kept.failed
        return rows, there, failed

    def add(
        self,
        places: Places,
        rows: Sequence[torch.Tensor],
        failed: Mapping[int, str] | None = None,
    ) -> None:
        """Note rows, in one part or several, on any device, of inputs `[m]`."""
        if self._keeper is None:
            return
        self._new.append((places, rows, failed or {}))
        if self._keeper.due():
            self._hand_over()

    def _hand_over(self) -> None:
        import torch

        assert self._keeper is not None, "rows are noted for a keeper only"
        new, self._new = self._new, []
        made = [part.cpu() for _, parts, _ in new for part in parts]
        failed: dict[int, str] = {}
        for _, _, reasons in new:
            failed |= reasons
        self._keeper.keep(
            KeptRows(
                places=np.concatenate([places for places, _, _ in new]),
                rows=torch.cat(made).numpy() if made else np.empty((0, self._width), np.float32),
                failed=failed,
            )
        )
