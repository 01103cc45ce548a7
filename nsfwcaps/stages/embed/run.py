"""embed: encode every caption, and every picture if the model supports images, to a unit vector.

    ingest shards ─ encode ─▶ safe-*.arrow, unsafe-*.arrow   id, fold_key, image_sha256, vector
                              images-*.arrow                 image_sha256, vector
                              flagged-*.parquet              id, flag

The key of a shard is a digest of its input and the encoder. Vectors of earlier runs with the same
encoder are reused by id, so only the new captions of a pool are encoded.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from nsfwcaps import schema
from nsfwcaps.artifacts import OutputFile, Shard, ShardTables, StageFolder, StageRecord, StageResult
from nsfwcaps.captions.images import read_image
from nsfwcaps.config import digest
from nsfwcaps.encoders.encoder import Encoded, Encoder
from nsfwcaps.encoders.options import EncoderOptions
from nsfwcaps.errors import InputError
from nsfwcaps.models import create, names
from nsfwcaps.progress import Advance, Progress
from nsfwcaps.stages.embed import flags
from nsfwcaps.stages.embed.known import Known, encode_distinct
from nsfwcaps.stages.embed.settings import EmbedSettings
from nsfwcaps.tables import read_tables
from nsfwcaps.vectors.columns import vector_table

VERSION = 2

# Of the files of vectors; it rises with VERSION only if the vectors change.
_VECTORS_VERSION = 1

_FEW_REJECTS = 3


def sources(settings: EmbedSettings) -> Mapping[str, str]:
    """Return the digest of the weights, or of the folder of imported vectors."""
    if settings.source is not None:
        from nsfwcaps.encoders import imported

        return {"source": imported.source_digest(Path(settings.source))}
    # The pools decide between the default models; the fingerprint covers them too.
    models = (settings.model,) if settings.model is not None else names.DEFAULTS
    return {"model": " ".join(create.source_digest(model) for model in models)}


def plan(settings: EmbedSettings, inputs: Mapping[str, StageRecord]) -> Mapping[str, Any]:
    """Return the numbers of captions, pictures and shards to encode."""
    ingest = inputs["ingest"]
    captions = ingest.rows("safe") + ingest.rows("unsafe")
    files = [file for file in ingest.files if file.group in ("safe", "unsafe", "images")]
    return {"captions": captions, "images": ingest.rows("images"), "shards": len(files)}


def run(
    settings: EmbedSettings,
    folder: StageFolder,
    inputs: Mapping[str, StageRecord],
    progress: Progress,
) -> StageResult:
    """Encode the pictures, then the captions; reject captions whose picture cannot be decoded.

    Raises:
        InputError: a side has no vectors left, or too many captions were rejected.
    """
    ingest = inputs["ingest"]
    encoder = encoder_of(settings, with_images=settings.images and ingest.rows("images") > 0)
    work = _EmbedRun(folder, ingest, encoder)
    pictures: list[Shard] = []
    if settings.images and encoder.identity.image_width is not None:
        with progress.task("embed: images", ingest.rows("images")) as advance:
            pictures = [work.images(file, advance) for file in work.files("images")]
    broken = _rejected(pictures, folder.path)
    captions: list[Shard] = []
    for label in ("unsafe", "safe"):
        with progress.task(f"embed: {label}", ingest.rows(label)) as advance:
            captions += [work.captions(label, file, broken, advance) for file in work.files(label)]
    _check_share(captions, ingest, settings, folder)
    flagged = {label: work.flags(label) for label in ("safe", "unsafe")}
    return StageResult(
        shards=[*captions, *pictures, *flagged["safe"], *flagged["unsafe"]],
        facts={
            "encoder": {**asdict(encoder.identity), "digest": encoder.identity.digest},
            "captions": {label: _count(captions, label) for label in ("safe", "unsafe")},
            "images": _count(pictures, "images"),
            "images_failed": dict(Counter(broken.values())),
            **{
                name: {label: flags.total(shards, name) for label, shards in flagged.items()}
                for name in (flags.TRUNCATED, flags.NON_LATIN)
            },
        },
    )


def encoder_of(settings: EmbedSettings, *, with_images: bool) -> Encoder:
    """Load the configured encoder, or the folder of imported vectors that replaces it."""
    if settings.source is not None:
        from nsfwcaps.encoders.imported import ImportedVectors

        return ImportedVectors(Path(settings.source))
    model = settings.model or names.DEFAULTS[with_images]
    return create.load(model, EncoderOptions.of(settings))


class _EmbedRun:
    """Shards of one run."""

    def __init__(self, folder: StageFolder, ingest: StageRecord, encoder: Encoder) -> None:
        self._folder = folder
        self._ingest = ingest
        self._encoder = encoder
        self._digest = encoder.identity.digest
        self._known = Known(folder, self._digest)

    def files(self, group: str) -> list[OutputFile]:
        """Return the files of ingest in a group."""
        return [file for file in self._ingest.files if file.group == group]

    def captions(
        self, label: str, file: OutputFile, broken: Mapping[str, str], advance: Advance
    ) -> Shard:
        """Encode the captions of one shard, each distinct text once."""
        columns = ["id", "caption", "fold_key", "image_sha256"]
        table = self._read(file, columns)
        reasons = [broken.get(sha256 or "") for sha256 in table["image_sha256"].to_pylist()]
        key = digest([_VECTORS_VERSION, "captions", label, file.sha256, self._digest, reasons])
        if shard := self._folder.shard(key):
            advance(file.rows)
            return shard
        return self._folder.make_shard(
            key, lambda: self._captions(label, file, table, reasons, advance)
        )

    def flags(self, label: str) -> list[Shard]:
        """Write the ids of a side's flagged captions."""
        return [
            flags.flag(label, file, self._ingest, self._encoder, self._folder)
            for file in self.files(label)
        ]

    def _captions(
        self,
        label: str,
        file: OutputFile,
        table: pa.Table,
        reasons: Sequence[str | None],
        advance: Advance,
    ) -> ShardTables:
        usable = table.filter(pa.array([reason is None for reason in reasons], pa.bool_()))
        advance(table.num_rows - usable.num_rows)
        texts = usable["caption"].combine_chunks().dictionary_encode()
        place = np.asarray(texts.indices)

        def encode(rows: Sequence[int]) -> Encoded:
            return encode_distinct(
                self._encoder, texts.dictionary, place[np.asarray(rows, dtype=np.int64)], advance
            )

        ids = usable["id"].combine_chunks()
        vectors, failed = self._known.complete(label, "id", ids, encode, advance)
        done = usable.filter(
            pa.array([row not in failed for row in range(usable.num_rows)], pa.bool_())
        )
        rejects = {ids[row].as_py(): reason for row, reason in failed.items()}
        rejects |= {
            sha: reason
            for sha, reason in zip(table["id"].to_pylist(), reasons, strict=True)
            if reason is not None
        }
        wanted = schema.caption_vectors(self._encoder.identity.width)
        tables = self._tables(label, file, done, wanted, vectors, rejects)
        counts = dict(sorted(Counter(rejects.values()).items()))
        return ShardTables(
            tables=tables, rows_in=file.rows, rejects=counts, facts=self._facts(label)
        )

    def images(self, file: OutputFile, advance: Advance) -> Shard:
        """Encode the pictures of one shard."""
        key = digest([_VECTORS_VERSION, "images", file.sha256, self._digest])
        if shard := self._folder.shard(key):
            advance(file.rows)
            return shard
        return self._folder.make_shard(key, lambda: self._images(file, advance))

    def _images(self, file: OutputFile, advance: Advance) -> ShardTables:
        table = self._read(file, schema.IMAGES.names)
        hashes = table["image_sha256"].combine_chunks()

        def encode(rows: Sequence[int]) -> Encoded:
            return self._encoder.encode_images(
                [(hashes[row].as_py(), _getter(table, row)) for row in rows], advance
            )

        vectors, failed = self._known.complete("images", "image_sha256", hashes, encode, advance)
        done = table.filter(
            pa.array([row not in failed for row in range(table.num_rows)], pa.bool_())
        )
        rejects = {hashes[row].as_py(): reason for row, reason in failed.items()}
        width = self._encoder.identity.image_width
        assert width is not None, "checked by the caller"
        wanted = schema.vectors(width, "image_sha256")
        tables = self._tables("images", file, done, wanted, vectors, rejects)
        # Rejects are counted with the captions of the picture.
        return ShardTables(tables=tables, rows_in=file.rows, facts=self._facts("images"))

    def _facts(self, group: str) -> dict[str, str]:
        return {"encoder": self._digest, "group": group}

    def _read(self, file: OutputFile, columns: Sequence[str]) -> pa.Table:
        return next(read_tables([self._ingest.folder / file.path], columns))

    def _tables(
        self,
        group: str,
        file: OutputFile,
        done: pa.Table,
        wanted: pa.Schema,
        vectors: np.ndarray[Any, Any],
        rejects: Mapping[str, str],
    ) -> dict[tuple[str, str], pa.Table]:
        """Return the vectors with the other columns of the schema, and the rejects."""
        stem = Path(file.path).stem.rpartition("-")[0]
        columns = {name: done[name].combine_chunks() for name in wanted.names if name != "vector"}
        tables = {(group, stem): vector_table(wanted, columns, vectors, self._digest)}
        if rejects:
            ordered = sorted(rejects.items())
            tables["rejects", f"rejects-{stem}"] = pa.table(
                {"id": [item for item, _ in ordered], "reason": [why for _, why in ordered]},
                schema=schema.REJECTED_IDS,
            )
        return tables


def _getter(table: pa.Table, row: int) -> Callable[[], bytes]:
    def get() -> bytes:
        data = table["image"][row].as_py()
        return data if data is not None else read_image(table["image_path"][row].as_py())

    return get


def _rejected(shards: Sequence[Shard], path: Path) -> dict[str, str]:
    files = [path / f.path for shard in shards for f in shard.files if f.group == "rejects"]
    return {row["id"]: row["reason"] for table in read_tables(files) for row in table.to_pylist()}


def _check_share(
    captions: Sequence[Shard], ingest: StageRecord, settings: EmbedSettings, folder: StageFolder
) -> None:
    """Raise InputError if a side has no vectors, or too many captions could not be encoded."""
    rejects: Counter[str] = Counter()
    for shard in captions:
        rejects.update(shard.rejects)
    for label in ("safe", "unsafe"):
        if ingest.rows(label) and not _count(captions, label):
            raise InputError(
                f"embed: no {label} caption could be embedded ({json.dumps(dict(rejects))}); "
                f"see {folder.path}/rejects-*.parquet for their ids, then fix the pool or "
                "embed.source"
            )
    rows = sum(shard.rows_in for shard in captions)
    if rejects.total() > settings.max_reject_share * rows and rejects.total() >= _FEW_REJECTS:
        raise InputError(
            f"embed: {rejects.total()} of {rows} captions could not be embedded "
            f"({json.dumps(dict(rejects))}), more than max_reject_share allows "
            f"({settings.max_reject_share:.1%}); see {folder.path}/rejects-*.parquet for the "
            "ids, then fix the pool or raise --max-reject-share"
        )


def _count(shards: Sequence[Shard], group: str) -> int:
    return sum(file.rows for shard in shards for file in shard.files if file.group == group)
