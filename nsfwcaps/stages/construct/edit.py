"""construct, step 2: edit and check requests in blocks; each block is a shard.

    requests ─ edit ─ check words ─ check by detectors ─ embed both sides ─ check cosines
                 ─▶ candidates-*, partners-*, rejects-*

The key of a block covers everything that affects its output, so a killed run resumes at the next
block.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from nsfwcaps import schema
from nsfwcaps.artifacts import Shard, ShardTables, StageFolder
from nsfwcaps.captions.normalize import content_id, normalize
from nsfwcaps.config import digest
from nsfwcaps.construction.checks import EXCLUDED, Limits, check_edit
from nsfwcaps.construction.edited_side import check_edited
from nsfwcaps.construction.editors.editor import Editor, EditRequest, Proposal, Refusal
from nsfwcaps.detectors.detector import Detector, first_unsafe, score_all
from nsfwcaps.encoders.encoder import Encoder
from nsfwcaps.enums import Device
from nsfwcaps.progress import Advance
from nsfwcaps.vectors.columns import vector_table
from nsfwcaps.vectors.index import BlockSearch
from nsfwcaps.vectors.nearest import HeldTable
from nsfwcaps.vectors.store import VectorTable

VERSION = 1

_BENCHMARK_ROWS = 4096
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


@dataclass(frozen=True, kw_only=True)
class EditRejects:
    """Rejected requests `[m]`, each with a reason, and the number of exclusion-list matches."""

    rows: list[dict[str, Any]]
    excluded: int

    @property
    def counts(self) -> dict[str, int]:
        """Number of rejected requests by reason."""
        counts = Counter(str(row["reason"]) for row in self.rows)
        if self.excluded:
            counts[EXCLUDED] = self.excluded
        return dict(sorted(counts.items()))

    def tables(self, name: str) -> dict[tuple[str, str], pa.Table]:
        """Return the rejects as a table of a shard; empty if there are no rejects."""
        if not self.rows:
            return {}
        table = pa.Table.from_pylist(self.rows, schema=schema.CONSTRUCT_REJECTS)
        return {("rejects", f"rejects-{name}"): table}


@dataclass(frozen=True, kw_only=True)
class EditChecker:
    """Editor, encoder, detectors and limits that every block shares."""

    editor: Editor
    encoder: Encoder
    detectors: Sequence[Detector[str]]
    """Detectors that must rate the safe caption safe."""
    edit_detectors: Sequence[Detector[str]]
    """Detectors that must rate the edited caption unsafe."""
    benchmark: Benchmark
    limits: Limits
    min_alignment: float
    near_duplicate: float
    folder: StageFolder

    def block(self, requests: Sequence[EditRequest], advance: Advance) -> Shard:
        """Edit and check a block of requests, or return the shard of an earlier run."""
        key = digest([*self._decisive(), [[item.id, item.category] for item in requests]])
        if shard := self.folder.shard(key):
            advance(len(requests))
            return shard
        return self.folder.make_shard(key, lambda: self._edited(requests, advance))

    def _edited(self, requests: Sequence[EditRequest], advance: Advance) -> ShardTables:
        work = _EditBlock(self)
        work.edit(self._flagged(requests), advance)
        work.check_edited_side()
        work.check_cosines()
        kept, rejects = work.kept(), EditRejects(rows=work.rejected, excluded=work.excluded)
        return ShardTables(
            tables={**self._tables(kept), **rejects.tables("edits")},
            rows_in=len(requests),
            rejects=rejects.counts,
            facts={"answered": work.answered, "candidates": len(kept.proposals)},
        )

    def _decisive(self) -> list[Any]:
        return [
            *(VERSION, asdict(self.editor.statement), self.encoder.identity.digest),
            *([detector.statement.as_json() for detector in self.detectors], self.benchmark.digest),
            *(asdict(self.limits), self.min_alignment, self.near_duplicate),
            [detector.statement.as_json() for detector in self.edit_detectors],
        ]

    def _flagged(self, requests: Sequence[EditRequest]) -> list[tuple[EditRequest, bool]]:
        """Pair each request with whether a detector rates its safe caption unsafe."""
        scores = score_all(self.detectors, [request.caption for request in requests])
        names = first_unsafe([detector.statement for detector in self.detectors], scores)
        return [(item, name is not None) for item, name in zip(requests, names, strict=True)]

    def _tables(self, kept: _PassedEdits) -> dict[tuple[str, str], pa.Table]:
        if not kept.proposals:
            return {}
        requests, proposals = kept.requests, kept.proposals
        columns = {
            "id": [content_id(item.caption) for item in proposals],
            "safe_id": [item.id for item in requests],
            "category": [item.category.value for item in requests],
            "caption": [item.caption for item in proposals],
            "element": [normalize(item.element) for item in proposals],
            "template": [item.template for item in proposals],
            "alignment": pa.array(kept.sims, pa.float32()),
        }
        identity = self.encoder.identity
        return {
            ("candidates", "candidates"): vector_table(
                schema.candidate_edits(identity.width), columns, kept.unsafe, identity.digest
            ),
            ("partners", "partners"): vector_table(
                schema.vectors(identity.width, "id"),
                {"id": columns["safe_id"]},
                kept.safe,
                identity.digest,
            ),
        }


@dataclass(frozen=True, kw_only=True)
class _PassedEdits:
    """Requests and proposals `[m]` that passed, both sides' vectors `[m, d]`, cosines `[m]`."""

    requests: list[EditRequest]
    proposals: list[Proposal]
    safe: Vectors
    unsafe: Vectors
    sims: npt.NDArray[np.float32]


class _EditBlock:
    """State of one block while it is edited and checked."""

    def __init__(self, checker: EditChecker) -> None:
        self._checker = checker
        self._requests: list[EditRequest] = []
        self._proposals: list[Proposal] = []
        self.rejected: list[dict[str, Any]] = []
        self.answered = self.excluded = 0

    def edit(self, flagged: Sequence[tuple[EditRequest, bool]], advance: Advance) -> None:
        """Request the edits and check their wording."""
        checker = self._checker
        asked = [request for request, is_unsafe in flagged if not is_unsafe]
        for request, is_unsafe in flagged:
            if is_unsafe:
                self._reject(request, "safe_side_unsafe", None)
        advance(len(flagged) - len(asked))
        for request, answer in zip(asked, checker.editor.edit(asked, advance), strict=True):
            if isinstance(answer, Refusal):
                self._reject(request, answer.reason, None)
                continue
            self.answered += 1
            proposal = Proposal(normalize(answer.caption), answer.element, answer.template)
            reason = check_edit(request, proposal, checker.limits, checker.benchmark.keys)
            if reason is not None:
                self._reject(request, reason, proposal.caption)
            else:
                self._requests.append(request)
                self._proposals.append(proposal)

    def check_edited_side(self) -> None:
        """Reject edits that no detector assigns to the requested category."""
        reasons = check_edited(
            self._checker.edit_detectors,
            [proposal.caption for proposal in self._proposals],
            [request.category for request in self._requests],
        )
        judged = list(zip(self._requests, self._proposals, reasons, strict=True))
        self._requests = [request for request, _, reason in judged if reason is None]
        self._proposals = [proposal for _, proposal, reason in judged if reason is None]
        for request, proposal, reason in judged:
            if reason is not None:
                self._reject(request, reason, proposal.caption)

    def check_cosines(self) -> None:
        """Embed both sides; reject pairs with low alignment or too close to a benchmark caption."""
        self._safe, self._unsafe, reasons = self._embedded()
        self._sims = np.einsum("md,md->m", self._safe, self._unsafe)
        low = self._sims < self._checker.min_alignment
        leaks = self._near_benchmark(self._safe) | self._near_benchmark(self._unsafe)
        for row, (request, proposal) in enumerate(
            zip(self._requests, self._proposals, strict=True)
        ):
            reason = reasons.get(row)
            if reason is None and leaks[row]:
                reason = "in_benchmark"
            if reason is None and low[row]:
                reason = "low_alignment"
            if reason is not None:
                reasons[row] = reason
                self._reject(request, reason, proposal.caption)
        self._rows = [row for row in range(len(self._requests)) if row not in reasons]

    def kept(self) -> _PassedEdits:
        """Return the edits that passed every check."""
        rows = self._rows
        return _PassedEdits(
            requests=[self._requests[row] for row in rows],
            proposals=[self._proposals[row] for row in rows],
            safe=self._safe[rows],
            unsafe=self._unsafe[rows],
            sims=self._sims[rows],
        )

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

    def _embedded(self) -> tuple[Vectors, Vectors, dict[int, str]]:
        """Return the vectors `[m, d]` of both sides, and the reason for each row that failed."""
        width = self._checker.encoder.identity.width
        reasons: dict[int, str] = {}
        sides = []
        for captions in (
            [request.caption for request in self._requests],
            [proposal.caption for proposal in self._proposals],
        ):
            rows = np.zeros((len(captions), width), dtype=np.float32)
            if captions:
                encoded = self._checker.encoder.encode_text(captions, lambda done: None)
                reasons |= encoded.failed
                good = [row for row in range(len(captions)) if row not in encoded.failed]
                rows[good] = encoded.rows
            sides.append(rows)
        return sides[0], sides[1], reasons

    def _near_benchmark(self, rows: Vectors) -> npt.NDArray[np.bool_]:
        """Return a mask `[m]` of the rows `[m, d]` that nearly duplicate a benchmark caption."""
        pool = self._checker.benchmark.pool
        if pool is None or len(rows) == 0:
            return np.zeros(len(rows), dtype=np.bool_)
        found = pool.nearest(rows.astype(np.float16), 1)
        close: npt.NDArray[np.bool_] = found.sims[:, 0] >= self._checker.near_duplicate
        return close


def embed_benchmark(
    captions: Sequence[str], encoder: Encoder, folder: StageFolder, advance: Advance
) -> VectorTable | None:
    """Embed the benchmark captions, in shards of the stage."""

    def embed(part: Sequence[str]) -> ShardTables:
        encoded = encoder.encode_text(part, lambda done: None)
        ids = [content_id(item) for row, item in enumerate(part) if row not in encoded.failed]
        table = vector_table(
            schema.vectors(encoder.identity.width, "id"),
            {"id": ids},
            encoded.rows,
            encoder.identity.digest,
        )
        return ShardTables(tables={("benchmark", "benchmark"): table}, rows_in=len(part))

    paths = []
    for start in range(0, len(captions), _BENCHMARK_ROWS):
        part = captions[start : start + _BENCHMARK_ROWS]
        key = digest([VERSION, "benchmark", encoder.identity.digest, list(part)])
        shard = folder.shard_or(key, partial(embed, part))
        advance(len(part))
        paths += [folder.path / file.path for file in shard.files]
    return VectorTable(paths) if paths else None
