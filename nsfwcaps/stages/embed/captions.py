"""embed, captions: vectors of one side, each distinct text encoded once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from nsfwcaps import schema
from nsfwcaps.artifacts import OutputFile, Shard
from nsfwcaps.config import digest
from nsfwcaps.encoders.keeping import Keeper
from nsfwcaps.progress import Advance
from nsfwcaps.stages.embed.known import DistinctTexts
from nsfwcaps.stages.embed.shards import (
    VECTORS_VERSION,
    PreparedShard,
    ShardWriter,
    Waiting,
    without,
)
from nsfwcaps.stages.kept import inputs_digest
from nsfwcaps.work import Work

_COLUMNS = ["id", "caption", "fold_key", "image_sha256"]


@dataclass(frozen=True, kw_only=True)
class PreparedCaptions:
    """Captions `[c]` to encode."""

    distinct: DistinctTexts
    tokenised: Sequence[str]
    """The distinct texts, as the encoder prepared them."""


class CaptionShards:
    """Shards of one side, `safe` or `unsafe`; captions of broken pictures are set aside."""

    def __init__(self, writer: ShardWriter, label: str, broken: Mapping[str, str]) -> None:
        self._writer, self._label, self._broken = writer, label, broken

    def prepare(self, file: OutputFile) -> PreparedShard[PreparedCaptions] | Shard:
        """Read and tokenise the captions of a file."""
        writer = self._writer
        table = writer.read(file, _COLUMNS)
        reasons = [self._broken.get(sha256 or "") for sha256 in table["image_sha256"].to_pylist()]
        key = digest(
            [VECTORS_VERSION, "captions", self._label, file.sha256, writer.digest, reasons]
        )
        if shard := writer.folder.shard(key):
            return shard
        with writer.split.timed(Work.PREPARE):
            broken = {row: reason for row, reason in enumerate(reasons) if reason is not None}
            usable = without(table, broken)
            ids = usable["id"].combine_chunks()
            width = writer.encoder.identity.width
            reused = writer.known.look_up(self._label, "id", ids, width)
            missing = usable["caption"].combine_chunks().take(pa.array(reused.missing))
            distinct = DistinctTexts.of(missing)
            texts = distinct.texts
            return PreparedShard(
                key=key,
                file=file,
                rows=usable,
                reused=reused,
                inputs=PreparedCaptions(
                    distinct=distinct,
                    tokenised=writer.encoder.prepared(texts) if texts else [],
                ),
                rejects={table["id"][row].as_py(): reason for row, reason in broken.items()},
            )

    def inputs(self, work: PreparedShard[PreparedCaptions]) -> str:
        """Return the digest of the distinct texts."""
        return inputs_digest(self._writer.digest, "captions", work.inputs.distinct.texts)

    def encode(
        self, work: PreparedShard[PreparedCaptions], advance: Advance, keeper: Keeper
    ) -> Waiting:
        """Send each distinct text to the device once."""
        captions = work.inputs
        with self._writer.split.timed(Work.COMPUTE):
            waiting = self._writer.encoder.started(captions.tokenised, advance, keeper)
        advance(len(captions.distinct.text_of) - len(captions.distinct.texts))
        return waiting

    def store(self, work: PreparedShard[PreparedCaptions], waiting: Waiting) -> Shard:
        """Write a vector for each caption."""
        with self._writer.split.timed(Work.COMPUTE):
            encoded = waiting()
        with self._writer.split.timed(Work.WRITE):
            return self._writer.write(
                self._label,
                work,
                work.inputs.distinct.per_caption(encoded),
                schema.caption_vectors(self._writer.encoder.identity.width),
                counts_rejects=True,
            )
