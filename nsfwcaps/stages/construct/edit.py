"""construct, step 3: edit and check requests in blocks; each block is a shard.

    requests ─ edit ─ check (`block`) ─▶ candidates-*, partners-*, rejects-*

The key of a block covers everything that affects its output, so a killed run resumes at the next
block.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from nsfwcaps import schema
from nsfwcaps.artifacts import Shard, ShardTables, StageFolder
from nsfwcaps.captions.normalize import content_id, normalize
from nsfwcaps.config import digest
from nsfwcaps.construction.checks import EXCLUDED, Limits
from nsfwcaps.construction.editors.editor import Editor, EditRequest
from nsfwcaps.construction.plausibility import Ranking
from nsfwcaps.detectors.detector import Detector, first_unsafe, score_all
from nsfwcaps.encoders.encoder import Encoder
from nsfwcaps.progress import Advance
from nsfwcaps.stages.construct.block import Benchmark, EditBlock, PassedEdits
from nsfwcaps.vectors.columns import vector_table

VERSION = 3

_BENCHMARK_ROWS = 4096


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
    ranking: Ranking
    min_plausibility: float | None
    min_alignment: float
    near_duplicate: float
    folder: StageFolder

    def block(self, requests: Sequence[EditRequest], advance: Advance) -> Shard:
        """Edit and check a block of requests, or return the shard of an earlier run."""
        key = digest([*self.decisive(), [[item.id, item.category] for item in requests]])
        if shard := self.folder.shard(key):
            advance(len(requests))
            return shard
        return self.folder.make_shard(key, lambda: self._edited(requests, advance))

    def _edited(self, requests: Sequence[EditRequest], advance: Advance) -> ShardTables:
        work = EditBlock(self)
        work.edit(self._flagged(requests), advance)
        kept, rejects = work.checked(), EditRejects(rows=work.rejected, excluded=work.excluded)
        return ShardTables(
            tables={**self._tables(kept), **rejects.tables("edits")},
            rows_in=len(requests),
            rejects=rejects.counts,
            facts={
                "answered": work.answered,
                "ranked": work.ranked,
                "alternatives": dict(sorted(work.alternatives.items())),
                "by_category": dict(Counter(item.category.value for item in kept.requests)),
            },
        )

    def decisive(self) -> list[Any]:
        """Return what a block depends on, beside its requests."""
        return [
            *(VERSION, asdict(self.editor.statement), self.encoder.identity.digest),
            *([detector.statement.as_json() for detector in self.detectors], self.benchmark.digest),
            *(asdict(self.limits), self.min_alignment, self.near_duplicate),
            [detector.statement.as_json() for detector in self.edit_detectors],
            *(self.ranking.statement, self.min_plausibility),
        ]

    def _flagged(self, requests: Sequence[EditRequest]) -> list[tuple[EditRequest, bool]]:
        """Pair each request with whether a detector rates its safe caption unsafe."""
        scores = score_all(self.detectors, [request.caption for request in requests])
        names = first_unsafe([detector.statement for detector in self.detectors], scores)
        return [(item, name is not None) for item, name in zip(requests, names, strict=True)]

    def _tables(self, kept: PassedEdits) -> dict[tuple[str, str], pa.Table]:
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


def benchmark_parts(captions: Sequence[str]) -> list[Sequence[str]]:
    """Cut the benchmark captions into the parts that are shards."""
    starts = range(0, len(captions), _BENCHMARK_ROWS)
    return [captions[start : start + _BENCHMARK_ROWS] for start in starts]


def embed_benchmark(
    parts: Sequence[Sequence[str]], encoder: Encoder, folder: StageFolder, advance: Advance
) -> list[Path]:
    """Embed parts of the benchmark captions, each a shard of the stage; return their files."""

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
    for part in parts:
        key = digest([VERSION, "benchmark", encoder.identity.digest, list(part)])
        shard = folder.shard_or(key, partial(embed, part))
        advance(len(part))
        paths += [folder.path / file.path for file in shard.files]
    return paths
