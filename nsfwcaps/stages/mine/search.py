"""mine, first half: the nearest safe captions of every unsafe one, and a penalty per target.

    unsafe rows ─ blocks ─ search among all safe rows ─▶ candidates-*.parquet   [block, depth]
    targets among them ─ blocks ─ look back at unsafe ─▶ targets-*.parquet      penalty, reach

Both kinds of file are steps on the way: a killed run finds them again, a finished one removes them.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from nsfwcaps import schema
from nsfwcaps.artifacts import Shard, StageFolder
from nsfwcaps.config import digest, parse_bytes
from nsfwcaps.enums import Rank
from nsfwcaps.errors import ConfigError, RecallError
from nsfwcaps.mining.hubness import csls_penalty, inverted_softmax_penalty
from nsfwcaps.progress import Progress
from nsfwcaps.stages.mine.settings import MineSettings
from nsfwcaps.tables import read_tables
from nsfwcaps.vectors.index import GPU_MAX_K, ApproximateIndex, BlockSearch, Rows, Single
from nsfwcaps.vectors.nearest import (
    EXTRA,
    Blocks,
    Neighbours,
    blocks_for,
    nearest,
    to_single,
    with_exact_sims,
)
from nsfwcaps.vectors.store import VectorTable

VERSION = 1

_DEFAULT_DEPTH = 100
_TARGET_BLOCK_ROWS = 16_384
_TRAINING_ROWS = 100_000


@dataclass(frozen=True, kw_only=True)
class Search:
    """What both passes share."""

    settings: MineSettings
    folder: StageFolder
    progress: Progress
    unsafe: VectorTable
    safe: VectorTable
    content: str
    """Digest of the vectors of both sides."""
    device: BlockSearch
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def depth(self) -> int:
        """Candidates per unsafe caption."""
        asked = self.settings.candidates or max(_DEFAULT_DEPTH, 2 * self.settings.k)
        return min(asked, self.safe.rows)

    def blocks(self, k: int) -> Blocks:
        """Block sizes within the stated memory."""
        return blocks_for(parse_bytes(self.settings.memory), self.safe.width, k)


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """Candidate shards, read back one at a time."""

    search: Search
    shards: Sequence[Shard]

    def __iter__(self) -> Iterator[tuple[int, Neighbours]]:
        """Yield (first unsafe row, rows and sims `[q, depth]`)."""
        first = 0
        paths = [self.search.folder.path / f.path for shard in self.shards for f in shard.files]
        for table in read_tables(paths):
            rows, sims = (_matrix(table[name]) for name in ("safe_rows", "sims"))
            yield first, Neighbours(sims=sims, rows=rows)
            first += len(rows)


def find_candidates(search: Search) -> Candidates:
    """Search every block of unsafe rows that has not been searched yet."""
    settings = search.settings
    blocks = search.blocks(search.depth)
    how = [settings.index, settings.index_parameters, settings.min_recall, settings.recall_sample]
    key_of = [VERSION, search.content, search.depth, how if settings.index else None]
    find = _exact(search, blocks) if settings.index is None else _approximate(search, blocks)
    shards = []
    # The safe pool is passed over once for each block of unsafe captions; progress counts its rows.
    total = math.ceil(search.unsafe.rows / blocks.queries) * search.safe.rows
    with search.progress.task("mine: search", total) as advance:
        for start in range(0, search.unsafe.rows, blocks.queries):
            stop = min(start + blocks.queries, search.unsafe.rows)
            key = digest(["candidates", *key_of, start, stop])
            shard = search.folder.shard(key)
            if shard is None:
                started = time.monotonic()
                found, facts = find(start, stop, advance)
                shard = search.folder.commit(
                    key,
                    {("candidates", f"candidates-{start:09d}"): _candidate_table(found)},
                    rows_in=stop - start,
                    facts=facts,
                    started=started,
                )
            else:
                advance(search.safe.rows)
            search.facts.update(shard.facts)
            shards.append(shard)
    return Candidates(search=search, shards=shards)


Find = Callable[[int, int, Callable[[int], None]], tuple[Neighbours, Mapping[str, Any]]]


def _exact(search: Search, blocks: Blocks) -> Find:
    def find(
        start: int, stop: int, advance: Callable[[int], None]
    ) -> tuple[Neighbours, Mapping[str, Any]]:
        queries = search.unsafe.read(start, stop)
        found = nearest(
            queries,
            search.safe,
            search.depth,
            search=search.device,
            block_rows=blocks.rows,
            advance=advance,
            exact=True,
        )
        return found, {"index": "exact", "recall": 1.0}

    return find


def _approximate(search: Search, blocks: Blocks) -> Find:
    """Build the index when the first block needs it, and measure its recall before use."""
    built: list[tuple[ApproximateIndex, Mapping[str, Any]]] = []

    def find(
        start: int, stop: int, advance: Callable[[int], None]
    ) -> tuple[Neighbours, Mapping[str, Any]]:
        if not built:
            built.append(_build(search, blocks))
        index, facts = built[0]
        queries = search.unsafe.read(start, stop)
        _, rows = index.search(to_single(queries), search.depth)
        # An index may hold compressed vectors; the cosines that count are those of the real ones.
        found = with_exact_sims(queries, search.safe, rows)
        advance(search.safe.rows)
        return found, facts

    return find


def _build(search: Search, blocks: Blocks) -> tuple[ApproximateIndex, Mapping[str, Any]]:
    settings = search.settings
    assert settings.index is not None, "asked for by the caller"
    index = ApproximateIndex(settings.index, search.safe.width, settings.device)
    # Rows are in the order of a hash: the first ones are a random sample.
    index.train(to_single(search.safe.read(0, min(_TRAINING_ROWS, search.safe.rows))))
    with search.progress.task("mine: index", search.safe.rows) as advance:
        for _, block in search.safe.blocks(blocks.rows):
            index.add(to_single(block))
            advance(len(block))
    sample = search.unsafe.read(0, min(settings.recall_sample, search.unsafe.rows))
    truth = nearest(sample, search.safe, search.depth, search=search.device, block_rows=blocks.rows)
    recall, parameters = _tune(index, to_single(sample), truth, settings)
    facts = {
        "index": settings.index,
        "index_parameters": parameters,
        "recall": round(recall, 4),
        "recall_at": search.depth,
        "recall_queries": len(sample),
    }
    if recall < settings.min_recall:
        raise RecallError(
            f"mine.index: '{settings.index}' with {parameters or 'no parameters'} finds "
            f"{recall:.4%} of the {search.depth} nearest safe captions of {len(sample)} real "
            f"unsafe captions, and min_recall asks for {settings.min_recall:.1%}. Set "
            "index_parameters higher, choose another index, or leave out --index: exact search "
            "needs none"
        )
    return index, facts


def _tune(
    index: ApproximateIndex, sample: Single, truth: Neighbours, settings: MineSettings
) -> tuple[float, str | None]:
    """Set the asked parameters, or the least effort that reaches the recall; return both."""

    def recall() -> float:
        return recall_at(truth.rows, index.search(sample, truth.rows.shape[1])[1])

    if settings.index_parameters is not None:
        index.set(settings.index_parameters)
        return recall(), settings.index_parameters
    name = index.effort()
    if name is None:
        return recall(), None
    effort = 1
    while True:
        parameters = f"{name}={effort}"
        index.set(parameters)
        reached = recall()
        if reached >= settings.min_recall or effort >= index.most_effort:
            return reached, parameters
        effort = min(effort * 2, index.most_effort)


def recall_at(true_rows: Rows, found_rows: Rows) -> float:
    """Share of the true neighbours `[q, k]` that were found `[q, k]`.

    >>> recall_at(np.array([[1, 2], [3, 4]]), np.array([[2, 9], [3, 4]]))
    0.75
    """
    hits = sum(
        len(np.intersect1d(true, found)) for true, found in zip(true_rows, found_rows, strict=True)
    )
    return hits / true_rows.size


@dataclass(frozen=True, kw_only=True)
class Targets:
    """What is known of every safe row `[n]` as a target; zero and −∞ where nothing is needed."""

    penalty: Single
    reach: Single
    """Cosine of its `reciprocal`-nearest unsafe caption: who is further away does not count."""


def weigh_targets(search: Search, candidates: Candidates) -> Targets:
    """Look back from every candidate target at the unsafe captions."""
    settings = search.settings
    weighed = Targets(
        penalty=np.zeros(search.safe.rows, dtype=np.float32),
        reach=np.full(search.safe.rows, -np.inf, dtype=np.float32),
    )
    if settings.rank is Rank.COSINE and settings.reciprocal is None:
        return weighed
    wanted = np.zeros(search.safe.rows, dtype=bool)
    for _, found in candidates:
        wanted[found.rows[found.rows >= 0]] = True
    rows = np.flatnonzero(wanted)
    how = [settings.rank, settings.csls_k, settings.beta, settings.reciprocal]
    key_of = [VERSION, search.content, search.depth, settings.index, how]
    with search.progress.task("mine: hubness", len(rows)) as advance:
        for start in range(0, len(rows), _TARGET_BLOCK_ROWS):
            part = rows[start : start + _TARGET_BLOCK_ROWS]
            key = digest(["targets", *key_of, start, digest(part.tolist())])
            shard = search.folder.shard(key)
            if shard is None:
                started = time.monotonic()
                shard = search.folder.commit(
                    key,
                    {("targets", f"targets-{start:09d}"): _weigh(search, part)},
                    rows_in=len(part),
                    started=started,
                )
            table = next(read_tables([search.folder.path / shard.files[0].path]))
            weighed.penalty[part] = np.asarray(table["penalty"])
            weighed.reach[part] = np.asarray(table["reach"])
            advance(len(part))
    return weighed


def _weigh(search: Search, rows: Rows) -> pa.Table:
    settings = search.settings
    targets = search.safe.take(rows)
    penalty: npt.NDArray[Any] = np.zeros(len(rows))
    reach: npt.NDArray[Any] = np.full(len(rows), -np.inf)
    depth = max(settings.csls_k if settings.rank is Rank.CSLS else 0, settings.reciprocal or 0)
    if depth:
        back = nearest(
            targets,
            search.unsafe,
            depth,
            search=search.device,
            block_rows=search.blocks(depth).rows,
            exact=True,
        )
        if settings.reciprocal is not None:
            reach = back.sims[:, min(settings.reciprocal, back.sims.shape[1]) - 1]
        if settings.rank is Rank.CSLS:
            penalty = csls_penalty(back.sims[:, : settings.csls_k])
    if settings.rank is Rank.INVERTED_SOFTMAX:
        penalty = inverted_softmax_penalty(
            targets, search.unsafe, settings.beta, device=search.device.device
        )
    return pa.table({"safe_row": rows, "penalty": penalty, "reach": reach}, schema=schema.TARGETS)


def check_depth(settings: MineSettings, device: BlockSearch) -> None:
    """Refuse more neighbours than a GPU search gives.

    Raises:
        ConfigError: naming the limit.
    """
    depth = max(settings.candidates or 0, 2 * settings.k)
    if device.gpu and depth > GPU_MAX_K - EXTRA:
        raise ConfigError(
            f"mine: FAISS keeps at most {GPU_MAX_K} neighbours on a GPU and {depth} are asked for; "
            "lower k and candidates, or use --device cpu"
        )


def _candidate_table(found: Neighbours) -> pa.Table:
    depth = found.rows.shape[1]
    of = schema.candidates(depth)
    return pa.Table.from_arrays(
        [
            pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), depth)
            for values in (found.rows, found.sims)
        ],
        schema=of,
    )


def _matrix(column: pa.ChunkedArray) -> npt.NDArray[Any]:
    array = column.combine_chunks()
    return np.asarray(array.flatten()).reshape(-1, array.type.list_size)
