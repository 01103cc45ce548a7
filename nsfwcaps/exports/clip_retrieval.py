"""clip-retrieval's layout: arrays of vectors, and tables that describe their rows.

    text_emb/text_emb_0000.npy       [n, d] half-precision unit rows of captions
    img_emb/img_emb_0000.npy         [n, d] the same of their images; zeros without one
    metadata/metadata_0000.parquet   n rows: image_path, caption, and ours

Row i of all three is one caption. A run without vectors of images has no `img_emb`, `image_path`
or `sha256`. `--source` reads the layout.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nsfwcaps.artifacts import StageRecord
from nsfwcaps.delivery.exported import delivered, write_record
from nsfwcaps.errors import ArtifactError
from nsfwcaps.exports.formats import DataFormat, EmbeddedRun
from nsfwcaps.progress import Progress
from nsfwcaps.tables import parquet_bytes, read_tables
from nsfwcaps.vectors.source import Half
from nsfwcaps.vectors.store import VectorTable
from nsfwcaps.version import __version__

_LABELS = ("safe", "unsafe")
_DIGITS = 4


def write(run: EmbeddedRun, out: Path, progress: Progress, notes: list[str]) -> dict[str, Any]:
    """Write all vectors of a run, a shard at a time; return the counts.

    `notes` gets a line for each edited file of an earlier export that was kept.

    Raises:
        ArtifactError: a file of the run is missing or damaged.
        StorageError: the folder contains other files.
    """
    images = VectorTable(run.embed.paths("images")) if run.embed.paths("images") else None
    total = sum(run.embed.rows(label) for label in _LABELS)
    digits = max(_DIGITS, len(str(len(run.embed.files))))
    captions, without = dict.fromkeys(_LABELS, 0), 0
    with delivered(out, notes) as folder, progress.task("export", total) as advance:
        for number, shard in enumerate(_shards(run)):
            part = _Part(folder, f"{number:0{digits}d}")
            part.array("text_emb", shard.vectors)
            if images is not None:
                rows = images.find("image_sha256", shard.column("image_sha256"))
                part.array("img_emb", _rows_or_zeros(images, rows))
                without += int((rows < 0).sum())
            part.metadata(_metadata(shard, with_images=images is not None))
            captions[shard.label] += len(shard.vectors)
            advance(len(shard.vectors))
        facts = {
            "format": DataFormat.CLIP_RETRIEVAL.value,
            "encoder": run.embed.facts["encoder"],
            "captions": captions,
            "without_image": without if images is not None else None,
            "nsfwcaps": __version__,
        }
        write_record(folder, facts)
    return facts


@dataclass(frozen=True, kw_only=True)
class _Shard:
    """Vectors `[n, d]` of captions of one label, and a table of n rows that describes them."""

    label: str
    vectors: Half
    captions: pa.Table

    def column(self, name: str) -> pa.Array:
        return self.captions[name].combine_chunks()


def _shards(run: EmbeddedRun) -> Iterator[_Shard]:
    """Yield the shards of embed that have rows, with their captions from ingest."""
    for label in _LABELS:
        described = _by_stem(run.ingest, label)
        for stem, path in _by_stem(run.embed, label).items():
            table = VectorTable([path])
            if table.rows:
                captions = _captions(described.get(stem), table, path)
                yield _Shard(label=label, vectors=table.read(0, table.rows), captions=captions)


def _by_stem(record: StageRecord, label: str) -> dict[str, Path]:
    """Files of a label by name without key: embed takes over the names of ingest."""
    return {path.stem.rpartition("-")[0]: path for path in record.paths(label)}


def _captions(described: Path | None, table: VectorTable, path: Path) -> pa.Table:
    """Return the rows of ingest for the ids of a file of vectors, in its order."""
    names = ["id", "caption", "category", "source", "image_path", "image_sha256"]
    ids = table.column("id", np.arange(table.rows)).combine_chunks()
    found = next(read_tables([described], names)) if described is not None else None
    spots = pc.index_in(ids, value_set=found["id"].combine_chunks()) if found else None
    if found is None or spots is None or spots.null_count:
        raise ArtifactError(f"{path}: has captions that ingest has not; run embed again")
    return found.take(spots)


def _metadata(shard: _Shard, *, with_images: bool) -> pa.Table:
    own = shard.captions
    label = pa.array([shard.label] * own.num_rows)
    columns = {"caption": own["caption"], "id": own["id"], "label": label}
    columns |= {name: own[name] for name in ("category", "source")}
    if with_images:
        columns = {"image_path": own["image_path"], **columns, "sha256": own["image_sha256"]}
    return pa.table(columns)


def _rows_or_zeros(table: VectorTable, rows: np.ndarray[Any, Any]) -> Half:
    """Return the vectors of rows `[n]` in any order; zeros for −1."""
    out = np.zeros((len(rows), table.width), dtype=np.float16)
    used, place = np.unique(rows[rows >= 0], return_inverse=True)
    out[rows >= 0] = table.take(used)[place]
    return out


@dataclass(frozen=True)
class _Part:
    """The files of one number."""

    folder: Path
    number: str

    def array(self, kind: str, rows: Half) -> None:
        np.save(self._path(kind, f"{kind}_{self.number}.npy"), rows, allow_pickle=False)

    def metadata(self, table: pa.Table) -> None:
        path = self._path("metadata", f"metadata_{self.number}.parquet")
        path.write_bytes(parquet_bytes(table))

    def _path(self, kind: str, name: str) -> Path:
        (self.folder / kind).mkdir(exist_ok=True)
        return self.folder / kind / name
