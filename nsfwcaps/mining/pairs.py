"""The complete mining algorithm: from the vectors of both sides to pairs.

    unsafe, safe ─ search ─▶ candidates ─ look back ─▶ targets ─ rank, cap, take, floor ─▶ pairs

Both the mine stage and `nsfwcaps.mine` run this code. They differ only in the `Memo`: the stage
writes intermediate results to disk, so that a killed search resumes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from nsfwcaps.enums import Similarity
from nsfwcaps.errors import ConfigError
from nsfwcaps.mining.approximate import ApproximateSearch, IndexChoice
from nsfwcaps.mining.candidates import (
    Candidates,
    CandidateSearch,
    ExactSearch,
    candidate_depth,
)
from nsfwcaps.mining.hub_cap import Scratch, cap_hubs
from nsfwcaps.mining.margins import Copies, margins
from nsfwcaps.mining.memo import Memo
from nsfwcaps.mining.pair_block import PairBlock, pairs_of
from nsfwcaps.mining.partners import PartnerRanker
from nsfwcaps.mining.ranking import Block, BlockRanker, Ranker
from nsfwcaps.mining.search import find_candidates, weigh_targets
from nsfwcaps.mining.selection import (
    Cutoffs,
    hub_counts,
    hub_statistics,
    open_cutoffs,
)
from nsfwcaps.mining.similarity import Compared
from nsfwcaps.mining.space import Space
from nsfwcaps.mining.targets import Weighing
from nsfwcaps.progress import Progress
from nsfwcaps.vectors.index import FAISS, Rows, Single


@dataclass(frozen=True, kw_only=True)
class MiningMethod:
    """How counterparts are chosen."""

    k: int
    """Safe counterparts per unsafe row."""
    similarity: Similarity
    """What is compared; every cosine below is that of the chosen similarity."""
    candidates: int | None
    """Nearest safe rows considered per unsafe row; None: max(100, 2 k)."""
    weighing: Weighing
    min_similarity: float | None
    """Minimum cosine of a pair: those below it are set aside at the end."""
    min_candidate_similarity: float | None
    """Minimum cosine of a candidate: those below it are not ranked."""
    hub_cap: int | None
    """Maximum number of unsafe rows per target."""
    margin_duplicate: float
    """Cosine with the target from which on a candidate is no alternative to it."""
    index: IndexChoice | None
    """None: exact search."""


@dataclass(frozen=True, kw_only=True)
class MinedPairs:
    """Pairs of all unsafe rows, computed block by block."""

    ranker: BlockRanker
    cutoffs: Cutoffs
    compared: Compared
    method: MiningMethod
    hub_counts: Rows
    """Number of pairs `[s]` that contain each safe caption."""
    facts: Mapping[str, Any]

    @property
    def without_picture(self) -> Rows:
        """Unsafe captions without a picture, if pictures were compared; no block has them."""
        return self.compared.without

    @property
    def k(self) -> int:
        """Safe counterparts per unsafe row."""
        return self.method.k

    def blocks(self) -> Iterator[tuple[PairBlock, Single, Single]]:
        """Yield the pairs of each block, their margins `[m]` and the density `[q]` of its rows."""
        copies = Copies(
            safe=self.compared.safe,
            cosine=self.method.margin_duplicate,
            pictures=self.compared.picture_keys,
        )
        for block in self.ranker.blocks():
            pairs = pairs_of(block, self.cutoffs, self.k, self.method.min_similarity)
            # Named last: margins are between targets of the search.
            yield self.compared.named(pairs), margins(block, pairs, copies), block.density


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
    space: Space, method: MiningMethod, of: Compared, *, memo: Memo, progress: Progress
) -> MinedPairs:
    """Choose the k best safe rows for every unsafe row.

    Raises:
        ConfigError: FAISS does not accept the index or its parameters.
        RecallError: the index finds too few of the true neighbours.
    """
    candidates = _search(space, method, memo, progress)
    targets = weigh_targets(space, candidates, method.weighing, memo=memo, progress=progress)
    floor = method.min_candidate_similarity
    ranker = Ranker(candidates, targets, of.keys, pictures=of.pictures, floor=floor)
    sharing = _Sharing(ranker, space, method, of, progress)
    return sharing.mined(candidates, sharing.cutoffs(memo.scratch))


def choose_partners(
    space: Space,
    method: MiningMethod,
    of: Compared,
    partners: Rows,
    *,
    memo: Memo,
    progress: Progress,
) -> MinedPairs:
    """Pair every unsafe row with its partner `[u]`, a safe row; −1 if it has none."""
    candidates = _search(space, method, memo, progress)
    assert of.keys is not None, "partners come with their texts"
    ranker = PartnerRanker(space, candidates, partners, of.keys)
    sharing = _Sharing(ranker, space, method, of, progress)
    return sharing.mined(candidates, open_cutoffs(space.safe.rows))


def _search(space: Space, method: MiningMethod, memo: Memo, progress: Progress) -> Candidates:
    depth = candidate_depth(space.safe.rows, k=method.k, candidates=method.candidates)
    search: CandidateSearch = (
        ExactSearch(space, depth)
        if method.index is None
        else ApproximateSearch(space, depth, method.index, progress=progress)
    )
    with closing(search):
        return find_candidates(space, depth, search, memo=memo, progress=progress)


@dataclass(frozen=True)
class _Sharing:
    """Applies the hub cap, and counts the pairs of every target."""

    ranker: BlockRanker
    space: Space
    method: MiningMethod
    of: Compared
    progress: Progress

    def cutoffs(self, scratch: Scratch | None) -> Cutoffs:
        """Return what the targets accept."""
        safe_rows, cap = self.space.safe.rows, self.method.hub_cap
        if cap is None:
            return open_cutoffs(safe_rows)
        ranked = (block.ranked for block in self._blocks("mine: hub cap"))
        return cap_hubs(ranked, safe_rows, k=self.method.k, cap=cap, scratch=scratch)

    def mined(self, candidates: Candidates, cutoffs: Cutoffs) -> MinedPairs:
        """Count the pairs."""
        method, of, space = self.method, self.of, self.space
        below = 0

        def targets() -> Iterator[Rows]:
            nonlocal below
            for block in self._blocks("mine: targets"):
                pairs = pairs_of(block, cutoffs, method.k, method.min_similarity)
                below += pairs.below
                yield of.named(pairs).targets

        counts = hub_counts(targets(), of.safe_captions)
        facts = {
            **candidates.facts,
            "similarity": method.similarity.value,
            "k": method.k,
            "device": space.device.device,
            "engine": FAISS if method.index else space.device.engine,
            "candidates": candidate_depth(
                space.safe.rows, k=method.k, candidates=method.candidates
            ),
            "targets": space.safe.rows,
            "hubs": hub_statistics(counts),
            "pairs_below_min_similarity": below,
        }
        return MinedPairs(
            ranker=self.ranker,
            cutoffs=cutoffs,
            compared=of,
            method=method,
            hub_counts=counts,
            facts=facts,
        )

    def _blocks(self, task: str) -> Iterator[Block]:
        with self.progress.task(task, self.space.unsafe.rows) as advance:
            for block in self.ranker.blocks():
                yield block
                advance(len(block.ranked.rows))
