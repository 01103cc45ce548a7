"""ingest, step 2: merge the staged chunks, one range of content hashes at a time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from nsfwcaps import schema
from nsfwcaps.artifacts import Shard, ShardTables, StageFolder
from nsfwcaps.captions.columns import Label
from nsfwcaps.captions.normalize import TEXT_DIGITS
from nsfwcaps.config import digest
from nsfwcaps.progress import Advance, Progress

VERSION = 2

_IMAGE_RANGE_BYTES = 64 * 2**20
# A total order, even over files of equal name: the copy kept must not depend on the pool order.
_ORDER = ("id", "source", "source_row", "category", "partner", "image_path", "kept")


@dataclass(frozen=True, kw_only=True)
class Merged:
    """Merged shards, and counts: captions by label, distinct pictures, conflicting captions."""

    shards: Sequence[Shard]
    captions: Mapping[str, int]
    images: int
    conflicts: int


@dataclass(frozen=True, kw_only=True)
class _Staged:
    """Staged files of one kind."""

    paths: list[Path]
    rows: int
    bytes: int


def merge(
    chunks: Sequence[Shard],
    folder: StageFolder,
    progress: Progress,
    *,
    shard_rows: int,
    of: pa.Schema = schema.CAPTIONS,
) -> Merged:
    """Merge captions and pictures, one range of keys at a time."""
    staged = {group: _staged(chunks, group, folder.path) for group in (*Label, "images")}
    content = digest(["merge", VERSION, [chunk.key for chunk in chunks]])
    shards: list[Shard] = []
    with progress.task("ingest: merge", sum(part.rows for part in staged.values())) as advance:
        for label in (Label.UNSAFE, Label.SAFE):
            unsafe = staged[Label.UNSAFE].paths if label is Label.SAFE else []
            shards += _merge_captions(
                staged[label],
                unsafe,
                label,
                folder,
                advance,
                content=content,
                rows=shard_rows,
                of=of,
            )
        shards += _merge_images(staged["images"], folder, advance, content=content)
    return Merged(
        shards=shards,
        captions={label.value: _rows(shards, label.value) for label in Label},
        images=_rows(shards, "images"),
        conflicts=sum(shard.facts.get("conflicts", 0) for shard in shards),
    )


def _merge_captions(
    staged: _Staged,
    unsafe: list[Path],
    label: Label,
    folder: StageFolder,
    advance: Advance,
    *,
    content: str,
    rows: int,
    of: pa.Schema,
) -> list[Shard]:
    def merge(part: int, low: str, high: str) -> ShardTables:
        table = _read_range(staged.paths, of, low, high)
        order = [name for name in _ORDER if name in of.names]
        captions = _fold(table.sort_by(_ascending(*order)), "id")
        dropped = _read_range(unsafe, schema.CAPTIONS, low, high, ["id"])
        kept = _without(captions, dropped)
        return ShardTables(
            tables={(label.value, f"{label}-{part:05d}"): kept},
            rows_in=table.num_rows,
            facts={"conflicts": captions.num_rows - kept.num_rows},
        )

    parts = math.ceil(staged.rows / rows)
    shards = []
    for part in range(parts):
        low, high = _key_range(part, parts, digits=32)
        key = digest([content, label, low, high])
        shard = folder.shard_or(key, partial(merge, part, low, high))
        advance(shard.rows_in)
        shards.append(shard)
    return shards


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


def _rows(shards: list[Shard], group: str) -> int:
    return sum(file.rows for shard in shards for file in shard.files if file.group == group)
