"""The complete mining algorithm: from the vectors of both sides to pairs.

    unsafe, safe ─ search ─▶ candidates ─ look back ─▶ targets ─ rank, cap, take ─▶ pairs

Both the mine stage and `nsfwcaps.mine` run this code. They differ only in the `Memo`: the stage
writes intermediate results to disk, so that a killed search resumes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from nsfwcaps.errors import ConfigError
from nsfwcaps.mining.approximate import ApproximateSearch, IndexChoice
from nsfwcaps.mining.candidates import (
    Candidates,
    CandidateSearch,
    ExactSearch,
    candidate_depth,
)
from nsfwcaps.mining.memo import Memo
from nsfwcaps.mining.partners import PartnerRanker
from nsfwcaps.mining.ranking import Block, BlockRanker, Ranker, TextKeys
from nsfwcaps.mining.search import find_candidates, weigh_targets
from nsfwcaps.mining.selection import (
    Cutoffs,
    Mask,
    cap_hubs,
    hub_counts,
    hub_statistics,
    open_cutoffs,
    take,
)
from nsfwcaps.mining.space import Space
from nsfwcaps.mining.targets import Weighing
from nsfwcaps.progress import Progress
from nsfwcaps.vectors.index import FAISS, Rows


@dataclass(frozen=True, kw_only=True)
class MiningMethod:
    """How counterparts are chosen."""

    k: int
    """Safe counterparts per unsafe row."""
    candidates: int | None
    """Nearest safe rows considered per unsafe row; None: max(100, 2 k)."""
    weighing: Weighing
    min_similarity: float | None
    hub_cap: int | None
    """Maximum number of unsafe rows per target."""
    index: IndexChoice | None
    """None: exact search."""


@dataclass(frozen=True, kw_only=True)
class MinedPairs:
    """Pairs of all unsafe rows, computed block by block."""

    ranker: BlockRanker
    cutoffs: Cutoffs
    k: int
    hub_counts: Rows
    """Number of pairs `[s]` that contain each safe row."""
    facts: Mapping[str, Any]

    def blocks(self) -> Iterator[tuple[Block, Mask]]:
        """Yield each block with its pairs: a mask `[q, c]` over its candidates."""
        for block in self.ranker.blocks():
            yield block, take(block.ranked, self.cutoffs, self.k)


def check(space: Space, method: MiningMethod) -> None:
    """Reject methods that cannot work on these vectors.

    Raises:
        ConfigError: there are fewer than k safe rows.
    """
    if space.safe.rows < method.k:
        raise ConfigError(
            f"mine: k={method.k} needs at least as many safe captions, got {space.safe.rows}; "
            "lower --k or add to the safe pool"
        )


def choose(
    space: Space, method: MiningMethod, keys: TextKeys | None, *, memo: Memo, progress: Progress
) -> MinedPairs:
    """Choose the k best safe rows for every unsafe row.

    Raises:
        ConfigError: FAISS does not accept the index or its parameters.
        RecallError: the index finds too few of the true neighbours.
    """
    candidates = _search(space, method, memo, progress)
    targets = weigh_targets(space, candidates, method.weighing, memo=memo, progress=progress)
    ranker = Ranker(candidates, targets, keys, min_similarity=method.min_similarity)
    return _share(ranker, candidates, space, method)


def choose_partners(
    space: Space,
    method: MiningMethod,
    keys: TextKeys,
    partners: Rows,
    *,
    memo: Memo,
    progress: Progress,
) -> MinedPairs:
    """Pair every unsafe row with its partner `[u]`, a safe row; −1 if it has none."""
    candidates = _search(space, method, memo, progress)
    floor = method.min_similarity
    ranker = PartnerRanker(space, candidates, partners, keys, min_similarity=floor)
    return _share(ranker, candidates, space, method)


def _search(space: Space, method: MiningMethod, memo: Memo, progress: Progress) -> Candidates:
    depth = candidate_depth(space.safe.rows, k=method.k, candidates=method.candidates)
    search: CandidateSearch = (
        ExactSearch(space, depth)
        if method.index is None
        else ApproximateSearch(space, depth, method.index, progress=progress)
    )
    with closing(search):
        return find_candidates(space, depth, search, memo=memo, progress=progress)


def _share(
    ranker: BlockRanker, candidates: Candidates, space: Space, method: MiningMethod
) -> MinedPairs:
    """Apply the hub cap and count the pairs of every target."""

    def ranked() -> Iterator[Any]:
        return (block.ranked for block in ranker.blocks())

    safe_rows, k = space.safe.rows, method.k
    cutoffs = open_cutoffs(safe_rows)
    if method.hub_cap is not None:
        cutoffs = cap_hubs(ranked, safe_rows, k=k, cap=method.hub_cap)
    counts = hub_counts((block.rows[take(block, cutoffs, k)] for block in ranked()), safe_rows)
    depth = candidate_depth(safe_rows, k=k, candidates=method.candidates)
    facts = {
        **candidates.facts,
        "device": space.device.device,
        "engine": FAISS if method.index else space.device.engine,
        "candidates": depth,
        "hubs": hub_statistics(counts),
    }
    return MinedPairs(ranker=ranker, cutoffs=cutoffs, k=k, hub_counts=counts, facts=facts)
