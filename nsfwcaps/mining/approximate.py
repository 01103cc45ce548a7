"""Search with an approximate index, whose recall is measured before use."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from nsfwcaps.enums import Device
from nsfwcaps.errors import RecallError
from nsfwcaps.metrics.neighbours import recall_at
from nsfwcaps.mining.candidates import Find, Found
from nsfwcaps.mining.space import Space
from nsfwcaps.progress import Advance, Progress
from nsfwcaps.vectors.index import ApproximateIndex, Single
from nsfwcaps.vectors.nearest import Neighbours, nearest, to_single, with_exact_sims

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


def approximate_search(
    space: Space, depth: int, choice: IndexChoice, *, progress: Progress
) -> Find:
    """Search with an index, built on the first call.

    Raises:
        ConfigError: FAISS does not accept the index or its parameters.
        RecallError: the index finds too few of the true neighbours.
    """
    built: list[tuple[ApproximateIndex, Mapping[str, Any]]] = []

    def find(start: int, stop: int, advance: Advance) -> Found:
        if not built:
            built.append(_build(space, depth, choice, progress))
        index, facts = built[0]
        queries = space.unsafe.read(start, stop)
        _, rows = index.search(to_single(queries), depth)
        # An index may hold compressed vectors: recompute the cosines from the originals.
        found = with_exact_sims(queries, space.safe, rows)
        advance(space.safe.rows)
        return found, facts

    return find


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
