"""ingest, step 2: merge the staged chunks, one range of content hashes at a time.

Merged captions are checked (`screen`) in the same step: each text once, next to all its copies.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from nsfwcaps import schema
from nsfwcaps.artifacts import Shard, ShardTables, StageFolder
from nsfwcaps.captions.normalize import TEXT_DIGITS
from nsfwcaps.captions.tables.column_names import Label
from nsfwcaps.config import digest
from nsfwcaps.progress import Advance, Progress
from nsfwcaps.stages.ingest.screen import Checks

VERSION = 3

_IMAGE_RANGE_BYTES = 64 * 2**20
# A total order, even over files of equal name: the copy kept must not depend on the pool order.
_ORDER = ("id", "source", "source_row", "category", "partner", "image_path", "kept")


@dataclass(frozen=True, kw_only=True)
class _Staged:
    """Staged files of one kind."""

    paths: list[Path]
    rows: int
    bytes: int


def merge_captions(
    chunks: Sequence[Shard],
    folder: StageFolder,
    progress: Progress,
    checks: Checks,
    *,
    shard_rows: int,
    of: pa.Schema = schema.CAPTIONS,
) -> list[Shard]:
    """Merge and check captions, one range of ids at a time."""
    staged = {label: _staged(chunks, label, folder.path) for label in Label}
    shards: list[Shard] = []
    with progress.task("ingest: merge", sum(part.rows for part in staged.values())) as advance:
        for label in (Label.UNSAFE, Label.SAFE):
            range_of = _CaptionRange(
                label=label,
                staged=staged[label].paths,
                unsafe=staged[Label.UNSAFE].paths if label is Label.SAFE else [],
                checks=checks,
                of=of,
            )
            parts = math.ceil(staged[label].rows / shard_rows)
            for part in range(parts):
                low, high = _key_range(part, parts, digits=32)
                key = digest([_content(chunks), checks.key, label, low, high])
                shard = folder.shard_or(key, partial(range_of.merge, part, low, high))
                advance(shard.rows_in)
                shards.append(shard)
    return shards


def merge_images(chunks: Sequence[Shard], folder: StageFolder, progress: Progress) -> list[Shard]:
    """Merge pictures, one range of digests at a time."""
    staged = _staged(chunks, "images", folder.path)
    with progress.task("ingest: merge images", staged.rows, unit="images") as advance:
        return _merge_images(staged, folder, advance, content=_content(chunks))


def staged_paths(chunks: Sequence[Shard], label: Label, folder: StageFolder) -> list[Path]:
    """Return the files with the staged captions of a side."""
    return _staged(chunks, label, folder.path).paths


def _content(chunks: Sequence[Shard]) -> str:
    return digest(["merge", VERSION, [chunk.key for chunk in chunks]])


@dataclass(frozen=True, kw_only=True)
class _CaptionRange:
    """Merges ranges of the captions of one side."""

    label: Label
    staged: list[Path]
    unsafe: list[Path]
    """Files with captions that must not be on this side."""
    checks: Checks
    of: pa.Schema

    def merge(self, part: int, low: str, high: str) -> ShardTables:
        """Fold copies, drop captions with conflicting labels, and check the others."""
        table = _read_range(self.staged, self.of, low, high)
        order = [name for name in _ORDER if name in self.of.names]
        captions = _fold(table.sort_by(_ascending(*order)), "id")
        kept = _without(captions, _read_range(self.unsafe, schema.CAPTIONS, low, high, ["id"]))
        conflicts = captions.num_rows - kept.num_rows
        checked = self.checks.check(kept, self.label)
        reasons = pa.array(checked.reasons, pa.string())
        rejected = _rejected(table, kept["id"], reasons, self.label)
        flags = schema.CAPTIONS.field("flags")
        at = self.of.get_field_index(flags.name)
        kept = kept.set_column(at, flags, pa.array(checked.flags, flags.type))
        kept = kept.filter(pc.is_null(reasons))
        tables = {(self.label.value, f"{self.label}-{part:05d}"): kept}
        if rejected.num_rows:
            tables["rejects", f"rejects-{self.label}-{part:05d}"] = rejected
        return ShardTables(
            tables=tables,
            rows_in=table.num_rows,
            rejects=dict(sorted(Counter(rejected["reason"].to_pylist()).items())),
            facts={
                "conflicts": conflicts,
                "rejected": rejected.num_rows,
                "checks": dict(checked.counts),
            },
        )


def _rejected(table: pa.Table, ids: pa.ChunkedArray, reasons: pa.Array, label: Label) -> pa.Table:
    """Return every staged row whose id, of `ids` `[n]`, has a reason `[n]`."""
    why = reasons.take(pc.index_in(table["id"].combine_chunks(), value_set=ids.combine_chunks()))
    rows = table.filter(pc.is_valid(why)).sort_by(_ascending(*_ORDER[:-1]))
    why = reasons.take(pc.index_in(rows["id"].combine_chunks(), value_set=ids.combine_chunks()))
    columns = {
        "source": rows["source"],
        "source_row": rows["source_row"],
        "reason": why,
        "label": pa.array([label.value] * rows.num_rows, pa.string()),
        "caption": rows["caption"].cast(pa.binary()),
    }
    return pa.table(columns, schema=schema.INGEST_REJECTS)


def _merge_images(
    staged: _Staged, folder: StageFolder, advance: Advance, *, content: str
) -> list[Shard]:
    def merge(part: int, low: str, high: str) -> ShardTables:
        table = _read_range(staged.paths, schema.IMAGES, low, high)
        images = _fold(table.sort_by(_ascending("image_sha256", "image_path")), "image_sha256")
        return ShardTables(
            tables={("images", f"images-{part:05d}"): images}, rows_in=table.num_rows
        )

    parts = math.ceil(max(staged.bytes / _IMAGE_RANGE_BYTES, staged.rows / 2**20))
    shards = []
    for part in range(parts):
        low, high = _key_range(part, parts, digits=64)
        key = digest([content, "images", low, high])
        shard = folder.shard_or(key, partial(merge, part, low, high))
        advance(shard.rows_in)
        shards.append(shard)
    return shards


def _staged(chunks: Sequence[Shard], group: str, path: Path) -> _Staged:
    files = [file for chunk in chunks for file in chunk.files if file.group == f"staged-{group}"]
    return _Staged(
        paths=[path / file.path for file in files],
        rows=sum(file.rows for file in files),
        bytes=sum(file.bytes for file in files),
    )


def _key_range(part: int, parts: int, *, digits: int) -> tuple[str, str]:
    """Return the first key of a range and of the next; keys are uniform hashes, so ranges are even.

    Ranges are cut by the caption half of the id, so all copies of a text share a range.
    """
    low, high = ((16**TEXT_DIGITS * edge) // parts for edge in (part, part + 1))
    rest = "0" * (digits - TEXT_DIGITS)
    # "g" sorts after every hexadecimal digit.
    return f"{low:016x}{rest}", f"{high:016x}{rest}" if part + 1 < parts else "g"


def _read_range(
    paths: list[Path], of: pa.Schema, low: str, high: str, columns: list[str] | None = None
) -> pa.Table:
    """Return the rows whose key, the first column, is in `[low, high)`."""
    if not paths:
        return of.empty_table().select(columns or of.names)
    key = ds.field(of.names[0])
    pool = ds.dataset([str(path) for path in paths], schema=of)
    return pool.to_table(columns=columns, filter=(key >= low) & (key < high))


def _ascending(*names: str) -> list[tuple[str, str]]:
    return [(name, "ascending") for name in names]


def _fold(table: pa.Table, key: str) -> pa.Table:
    """Keep the first row of each run of equal keys; store the length of the run in `copies`."""
    if table.num_rows == 0:
        return table
    keys = table[key].combine_chunks()
    first = pc.fill_null(pc.not_equal(keys[1:], keys[:-1]), False)
    starts = pc.indices_nonzero(pa.concat_arrays([pa.array([True]), first]))
    folded = table.take(starts).combine_chunks()
    if "copies" not in table.column_names:
        return folded
    ends = pa.concat_arrays([starts[1:], pa.array([table.num_rows], pa.uint64())])
    copies = pc.subtract(ends.cast(pa.int64()), starts.cast(pa.int64()))
    return folded.set_column(table.schema.get_field_index("copies"), "copies", copies)


def _without(safe: pa.Table, unsafe: pa.Table) -> pa.Table:
    """Drop safe captions whose text is also in an unsafe pool, whatever the picture.

    A caption with conflicting labels must not become a target.
    """
    texts, doubtful = (
        pc.utf8_slice_codeunits(table["id"], 0, TEXT_DIGITS).combine_chunks()
        for table in (safe, unsafe)
    )
    return safe.filter(pc.invert(pc.is_in(texts, doubtful)))
