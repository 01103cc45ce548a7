"""construct, step 4: one block of requests, from the editor's answers to the edits that passed.

    answers ─ check words ─ check by detectors ─ embed both sides ─ check cosines
            ─ keep the most plausible edit of each request

An editor may propose several edits of a caption. A request is set aside only if all of them are,
for the reason of the first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from nsfwcaps.captions.normalize import normalize
from nsfwcaps.construction.checks import EXCLUDED, Limits, check_edit
from nsfwcaps.construction.edited_side import check_edited
from nsfwcaps.construction.editors.editor import Editor, EditRequest, Proposal, Refusal
from nsfwcaps.construction.plausibility import Ranking
from nsfwcaps.detectors.detector import Detector
from nsfwcaps.encoders.encoder import Encoder
from nsfwcaps.enums import Device
from nsfwcaps.progress import Advance
from nsfwcaps.vectors.index import BlockSearch
from nsfwcaps.vectors.nearest import HeldTable
from nsfwcaps.vectors.store import VectorTable

_BLOCK_ROWS = 16_384

Vectors = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Captions that must not leak into the pairs: fold keys, and vectors if there are any."""

    keys: frozenset[int]
    vectors: VectorTable | None
    digest: str

    @cached_property
    def pool(self) -> HeldTable | None:
        """The vectors, held for the searches of every block."""
        if self.vectors is None or not self.vectors.rows:
            return None
        return HeldTable(self.vectors, BlockSearch(Device.CPU), block_rows=_BLOCK_ROWS)


class EditMeans(Protocol):
    """What a block is edited and checked by."""

    @property
    def editor(self) -> Editor:
        """Writes the edits."""
        ...

    @property
    def encoder(self) -> Encoder:
        """Measures alignment."""
        ...

    @property
    def edit_detectors(self) -> Sequence[Detector[str]]:
        """Must rate the edited caption unsafe."""
        ...

    @property
    def benchmark(self) -> Benchmark:
        """Captions that must not leak."""
        ...

    @property
    def limits(self) -> Limits:
        """Limits in words."""
        ...

    @property
    def ranking(self) -> Ranking:
        """Ranks the edits of a request."""
        ...

    @property
    def min_plausibility(self) -> float | None:
        """Floor of the ranking."""
        ...

    @property
    def min_alignment(self) -> float:
        """Least cosine of a pair."""
        ...

    @property
    def near_duplicate(self) -> float:
        """Cosine of near-duplicates."""
        ...


@dataclass(frozen=True, kw_only=True)
class PassedEdits:
    """Requests and proposals `[m]` that passed, both sides' vectors `[m, d]`, cosines `[m]`."""

    requests: list[EditRequest]
    proposals: list[Proposal]
    safe: Vectors
    unsafe: Vectors
    sims: npt.NDArray[np.float32]


class EditBlock:
    """State of one block while it is edited and checked."""

    def __init__(self, checker: EditMeans) -> None:
        self._checker = checker
        self._requests: list[EditRequest] = []
        self._proposals: list[list[Proposal]] = []
        self.rejected: list[dict[str, Any]] = []
        self.answered = self.excluded = self.ranked = 0
        self.alternatives: Counter[str] = Counter()
        """Reasons for the other edits of the requests of which one is kept."""

    def edit(self, flagged: Sequence[tuple[EditRequest, bool]], advance: Advance) -> None:
        """Request the edits; `flagged` pairs a request with whether its caption is unsafe."""
        asked = [request for request, is_unsafe in flagged if not is_unsafe]
        for request, is_unsafe in flagged:
            if is_unsafe:
                self._reject(request, "safe_side_unsafe", None)
        advance(len(flagged) - len(asked))
        for request, answer in zip(asked, self._checker.editor.edit(asked, advance), strict=True):
            if isinstance(answer, Refusal):
                self._reject(request, answer.reason, None)
                continue
            self.answered += 1
            self._requests.append(request)
            self._proposals.append(
                [
                    replace(item, caption=normalize(item.caption), others=())
                    for item in (answer, *answer.others)
                ]
            )

    def checked(self) -> PassedEdits:
        """Check every proposal, and keep the most plausible that passed of each request."""
        checker = self._checker
        rows = [
            (request, proposal)
            for request, proposals in zip(self._requests, self._proposals, strict=True)
            for proposal in proposals
        ]
        requests = [request for request, _ in rows]
        proposals = [proposal for _, proposal in rows]
        reasons = [
            check_edit(request, proposal, checker.limits, checker.benchmark.keys)
            for request, proposal in rows
        ]
        self._check_by_detectors(requests, proposals, reasons)
        safe, unsafe = self._embedded(requests, proposals, reasons)
        sims: npt.NDArray[np.float32] = np.einsum("md,md->m", safe, unsafe)
        self._check_cosines(safe, unsafe, sims, reasons)
        scores = self._scores(requests, proposals, sims, reasons)
        kept = self._most_plausible(requests, proposals, reasons, scores)
        return PassedEdits(
            requests=[requests[row] for row in kept],
            proposals=[proposals[row] for row in kept],
            safe=safe[kept],
            unsafe=unsafe[kept],
            sims=sims[kept],
        )

    def _check_by_detectors(
        self,
        requests: Sequence[EditRequest],
        proposals: Sequence[Proposal],
        reasons: list[str | None],
    ) -> None:
        """Reject edits that no detector assigns to the requested category."""
        open_ = _open(reasons)
        found = check_edited(
            self._checker.edit_detectors,
            [proposals[row].caption for row in open_],
            [requests[row].category for row in open_],
        )
        for row, reason in zip(open_, found, strict=True):
            reasons[row] = reason

    def _embedded(
        self,
        requests: Sequence[EditRequest],
        proposals: Sequence[Proposal],
        reasons: list[str | None],
    ) -> tuple[Vectors, Vectors]:
        """Return vectors `[m, d]` of both sides; each distinct caption is embedded once."""
        open_ = _open(reasons)
        sides = [
            [request.caption for request in requests],
            [proposal.caption for proposal in proposals],
        ]
        texts = [*dict.fromkeys(side[row] for side in sides for row in open_)]
        place = {text: at for at, text in enumerate(texts)}
        vectors = np.zeros((len(texts), self._checker.encoder.identity.width), dtype=np.float32)
        failed: dict[int, str] = {}
        if texts:
            encoded = self._checker.encoder.encode_text(texts, lambda done: None)
            failed = dict(encoded.failed)
            vectors[[at for at in range(len(texts)) if at not in failed]] = encoded.rows
        found = []
        for side in sides:
            rows = np.zeros((len(side), vectors.shape[1]), dtype=np.float32)
            for row in open_:
                rows[row] = vectors[place[side[row]]]
                reasons[row] = reasons[row] or failed.get(place[side[row]])
            found.append(rows)
        return found[0], found[1]

    def _check_cosines(
        self,
        safe: Vectors,
        unsafe: Vectors,
        sims: npt.NDArray[np.float32],
        reasons: list[str | None],
    ) -> None:
        """Reject pairs that are too close to a benchmark caption, or of low alignment."""
        leaks = self._near_benchmark(safe) | self._near_benchmark(unsafe)
        for row in _open(reasons):
            if leaks[row]:
                reasons[row] = "in_benchmark"
            elif sims[row] < self._checker.min_alignment:
                reasons[row] = "low_alignment"

    def _scores(
        self,
        requests: Sequence[EditRequest],
        proposals: Sequence[Proposal],
        sims: npt.NDArray[np.float32],
        reasons: list[str | None],
    ) -> npt.NDArray[np.float32]:
        """Return the plausibility `[m]` of the edits left; reject those below the floor."""
        open_, floor = _open(reasons), self._checker.min_plausibility
        self.ranked += len(open_)
        scores = np.zeros(len(reasons), dtype=np.float32)
        if open_:
            scores[open_] = self._checker.ranking.score(
                [requests[row].caption for row in open_],
                [proposals[row].caption for row in open_],
                sims[open_],
            )
        for row in open_:
            if floor is not None and scores[row] < floor:
                reasons[row] = "implausible"
        return scores

    def _most_plausible(
        self,
        requests: Sequence[EditRequest],
        proposals: Sequence[Proposal],
        reasons: Sequence[str | None],
        scores: npt.NDArray[np.float32],
    ) -> list[int]:
        """Return the row to keep of each request, the first of equals; reject those without."""
        kept, start = [], 0
        for own in self._proposals:
            rows = range(start, start + len(own))
            start += len(own)
            left = [row for row in rows if reasons[row] is None]
            if left:
                best = max(left, key=lambda row: float(scores[row]))
                kept.append(best)
                self.alternatives.update(
                    reasons[row] or "less_plausible" for row in rows if row != best
                )
            else:
                row = rows[0]
                self._reject(requests[row], str(reasons[row]), proposals[row].caption)
        return kept

    def _reject(self, request: EditRequest, reason: str, caption: str | None) -> None:
        if reason == EXCLUDED:
            self.excluded += 1
            return
        self.rejected.append(
            {
                "id": request.id,
                "category": request.category.value,
                "reason": reason,
                "caption": caption,
            }
        )

    def _near_benchmark(self, rows: Vectors) -> npt.NDArray[np.bool_]:
        """Return a mask `[m]` of the rows `[m, d]` that nearly duplicate a benchmark caption."""
        pool = self._checker.benchmark.pool
        if pool is None or len(rows) == 0:
            return np.zeros(len(rows), dtype=np.bool_)
        found = pool.nearest(rows.astype(np.float16), 1)
        close: npt.NDArray[np.bool_] = found.sims[:, 0] >= self._checker.near_duplicate
        return close


def _open(reasons: Sequence[str | None]) -> list[int]:
    """Return the rows without a reason to reject them."""
    return [row for row, reason in enumerate(reasons) if reason is None]
