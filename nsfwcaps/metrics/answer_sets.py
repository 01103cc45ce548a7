"""Sets of right answers: a set of rows for each query, in one flat array."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Sets:
    """Set i holds `rows[offsets[i]:offsets[i + 1]]`; rows `[m]`, offsets `[q + 1]` from 0 to m."""

    rows: Rows
    offsets: Rows

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, which: int) -> Rows:
        return self.rows[self.offsets[which] : self.offsets[which + 1]]

    @property
    def owners(self) -> Rows:
        """Number `[m]` of the set that holds each row."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))

    def between(self, start: int, stop: int) -> Sets:
        """Return sets start to stop (exclusive), renumbered from 0."""
        offsets = self.offsets[start : stop + 1]
        return Sets(rows=self.rows[offsets[0] : offsets[-1]], offsets=offsets - offsets[0])


def sets_of(owners: Rows, rows: Rows, count: int) -> Sets:
    """Group rows `[m]` by owner `[m]` (below count), sorted and distinct within each set.

    >>> import numpy as np
    >>> made = sets_of(np.array([1, 0, 1, 1]), np.array([5, 2, 4, 5]), count=3)
    >>> [made[one].tolist() for one in range(3)]
    [[2], [4, 5], []]
    """
    both = np.unique(np.stack([owners, rows], axis=1).reshape(-1, 2), axis=0)
    offsets = np.zeros(count + 1, dtype=np.int64)
    np.cumsum(np.bincount(both[:, 0], minlength=count), out=offsets[1:])
    return Sets(rows=np.ascontiguousarray(both[:, 1]), offsets=offsets)
