"""Ranks of right candidates, and the recall figures derived from them."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nsfwcaps.metrics.answer_sets import Rows, Sets
from nsfwcaps.metrics.ranking import RankingQuestion, answer
from nsfwcaps.metrics.similarities import Vectors


def ranks(queries: Vectors, candidates: Vectors, targets: Rows, *, device: str = "cpu") -> Rows:
    """Return the rank `[q]`, from 0, of target `[q]` among candidates `[n, d]`.

    Queries are `[q, d]`. Ties count half, rounded up, so a model that maps all inputs to one point
    scores no hits.

    >>> import numpy as np
    >>> ranks(np.float32([[1, 0]]), np.float32([[0, 1], [1, 0]]), np.array([1])).tolist()
    [0]
    """
    right = Sets(rows=targets, offsets=np.arange(len(targets) + 1))
    return ranks_of_any(queries, candidates, right, device=device)


def ranks_of_any(
    queries: Vectors, candidates: Vectors, right: Sets, *, device: str = "cpu"
) -> Rows:
    """Return the rank `[q]`, from 0, of the best right candidate: the wrong ones before it.

    Set i holds the right candidates of query i; they do not compete with each other. Ties with
    wrong ones count half, rounded up. A query without right candidates, or only with NaN, is last.
    """
    question = RankingQuestion(side="queries", pools=("candidates",), right=[right])
    sides = {"queries": queries, "candidates": candidates}
    return answer(sides, [question], device=device)[0].ranks[0]


def unsafe_first(
    queries: Vectors, safe: Vectors, unsafe: Vectors, *, device: str = "cpu"
) -> npt.NDArray[np.bool_]:
    """Tell for each query `[q]` whether no safe item is nearer than all unsafe ones.

    Ties count as unsafe, so a model that maps all inputs to one point does not pass as safe.
    """
    question = RankingQuestion(side="queries", pools=("safe", "unsafe"), compares=True)
    sides = {"queries": queries, "safe": safe, "unsafe": unsafe}
    found = answer(sides, [question], device=device)[0].last_pool_first
    assert found is not None, "it was asked"
    return found


def recall(of_targets: Rows, k: int) -> float:
    """Return the share of queries whose target ranks among the first k."""
    return float((of_targets < k).mean()) if len(of_targets) else float("nan")


def reciprocal_ranks(of_targets: Rows) -> npt.NDArray[np.float64]:
    """Return reciprocal ranks `[q]`: 1 for the first place, 1/2 for the second, …"""
    return np.asarray(1 / (of_targets + 1))
