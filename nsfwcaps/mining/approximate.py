"""Search with an approximate index, whose recall is measured before use."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nsfwcaps.enums import Device
from nsfwcaps.errors import RecallError
from nsfwcaps.metrics.neighbours import recall_at
from nsfwcaps.mining.candidates import Span, Task
from nsfwcaps.mining.space import Space
from nsfwcaps.progress import Advance, Progress
from nsfwcaps.vectors.exact import to_single
from nsfwcaps.vectors.index import ApproximateIndex, Single
from nsfwcaps.vectors.nearest import Neighbours, PartNeighbours, nearest, with_exact_sims
from nsfwcaps.work import Work, WorkSplit

_TRAINING_ROWS = 100_000


@dataclass(frozen=True, kw_only=True)
class IndexChoice:
    """An approximate index and its required recall."""

    factory: str
    """FAISS factory string, such as `IVF256,Flat`."""
    parameters: str | None
    """Search parameters, such as `nprobe=16`; None: the fastest that reach `min_recall`."""
    min_recall: float
    recall_sample: int
    """Number of unsafe rows to measure recall on, from the first."""
    device: Device


class ApproximateSearch:
    """Search with an index, built on the first call.

    Raises:
        ConfigError: FAISS does not accept the index or its parameters.
        RecallError: the index finds too few of the true neighbours.
    """

    def __init__(
        self, space: Space, depth: int, choice: IndexChoice, *, progress: Progress
    ) -> None:
        self._space, self._depth, self._choice = space, depth, choice
        self._progress = progress
        self._index: ApproximateIndex | None = None
        self.lanes = 1
        self.parts: Sequence[Span] = [(0, space.safe.rows)]
        self.facts: Mapping[str, Any] = {}
        self.split = WorkSplit()

    def find(self, task: Task, lane: int, advance: Advance) -> PartNeighbours:
        """Search the index for a block of unsafe rows."""
        if self._index is None:
            self._index, self.facts = _build(self._space, self._depth, self._choice, self._progress)
        queries = self._space.unsafe.read(*task.span)
        with self.split.timed(Work.COMPUTE):
            _, rows = self._index.search(to_single(queries), self._depth)
            # An index may hold compressed vectors: recompute the cosines from the originals.
            found = with_exact_sims(queries, self._space.safe, rows)
        advance(self._space.safe.rows)
        return PartNeighbours(sims=found.sims.astype(np.float64), rows=found.rows)

    def close(self) -> None:
        """Free the index."""
        self._index = None


def _build(
    space: Space, depth: int, choice: IndexChoice, progress: Progress
) -> tuple[ApproximateIndex, Mapping[str, Any]]:
    block_rows = space.blocks(depth).rows
    index = ApproximateIndex(choice.factory, space.safe.width, choice.device)
    # Rows are ordered by hash, so the first ones are a random sample.
    index.train(to_single(space.safe.read(0, min(_TRAINING_ROWS, space.safe.rows))))
    with progress.task("mine: index", space.safe.rows) as advance:
        for _, block in space.safe.blocks(block_rows):
            index.add(to_single(block))
            advance(len(block))
    sample = space.unsafe.read(0, min(choice.recall_sample, space.unsafe.rows))
    truth = nearest(sample, space.safe, depth, search=space.device, block_rows=block_rows)
    recall, parameters = _tune(index, to_single(sample), truth, choice)
    facts = {
        "index": choice.factory,
        "index_parameters": parameters,
        "recall": round(recall, 4),
        "recall_at": depth,
        "recall_queries": len(sample),
    }
    if recall < choice.min_recall:
        raise RecallError(
            f"mine.index: '{choice.factory}' with {parameters or 'no parameters'} finds "
            f"{recall:.4%} of the {depth} nearest safe captions of {len(sample)} unsafe captions; "
            f"min_recall requires {choice.min_recall:.1%}. Raise index_parameters, choose another "
            "index, or remove --index for exact search"
        )
    return index, facts


def _tune(
    index: ApproximateIndex, sample: Single, truth: Neighbours, choice: IndexChoice
) -> tuple[float, str | None]:
    """Set the given parameters, or the least effort that reaches the recall; return both."""

    def recall() -> float:
        return recall_at(truth.rows, index.search(sample, truth.rows.shape[1])[1])

    if choice.parameters is not None:
        index.set(choice.parameters)
        return recall(), choice.parameters
    name = index.effort()
    if name is None:
        return recall(), None
    effort = 1
    while True:
        parameters = f"{name}={effort}"
        index.set(parameters)
        reached = recall()
        if reached >= choice.min_recall or effort >= index.most_effort:
            return reached, parameters
        effort = min(effort * 2, index.most_effort)
