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
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from nsfwcaps import schema
from nsfwcaps.artifacts import Shard, ShardTables, StageFolder
from nsfwcaps.captions.normalize import TEXT_DIGITS
from nsfwcaps.captions.tables.column_names import Label
from nsfwcaps.config import digest
from nsfwcaps.progress import Progress
from nsfwcaps.stages.ingest.screen import Checks
from nsfwcaps.stages.ingest.staged import StagedRows

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
    ranges = CaptionRanges(chunks, folder, checks, shard_rows=shard_rows, of=of)
    return _merged(ranges, progress, "ingest: merge", "rows")


def merge_images(chunks: Sequence[Shard], folder: StageFolder, progress: Progress) -> list[Shard]:
    """Merge pictures, one range of digests at a time."""
    return _merged(ImageRanges(chunks, folder), progress, "ingest: merge images", "images")


def staged_paths(chunks: Sequence[Shard], label: Label, folder: StageFolder) -> list[Path]:
    """Return the files with the staged captions of a side."""
    return _staged(chunks, label, folder.path).paths


def caption_shards(chunks: Sequence[Shard], shard_rows: int) -> tuple[int, int]:
    """Return how many shards captions are merged to, and of how many staged rows."""
    rows = [_staged(chunks, label, Path()).rows for label in Label]
    return sum(_parts(count, shard_rows) for count in rows), sum(rows)


def _parts(rows: int, shard_rows: int) -> int:
    return math.ceil(rows / shard_rows)


class Ranges(Protocol):
    """Ranges of keys, each merged to a shard."""

    rows: int
    """Staged rows of all ranges."""

    def __len__(self) -> int:
        """Return the number of shards."""
        ...

    def shard(self, number: int) -> Shard:
        """Return a shard, merged by an earlier run or now."""
        ...


def _merged(ranges: Ranges, progress: Progress, name: str, unit: str) -> list[Shard]:
    shards = []
    with progress.task(name, ranges.rows, unit=unit) as advance:
        for number in range(len(ranges)):
            shards.append(ranges.shard(number))
            advance(shards[-1].rows_in)
    return shards


class CaptionRanges(Ranges):
    """Ranges of the captions of both sides, unsafe ones first."""

    def __init__(
        self,
        chunks: Sequence[Shard],
        folder: StageFolder,
        checks: Checks,
        *,
        shard_rows: int,
        of: pa.Schema,
    ) -> None:
        staged = {label: _staged(chunks, label, folder.path) for label in Label}
        files = {label: StagedRows(found.paths, of) for label, found in staged.items()}
        self.rows = sum(found.rows for found in staged.values())
        self._folder, self._content, self._checks = folder, _content(chunks), checks
        self._parts = {
            label: _parts(staged[label].rows, shard_rows) for label in (Label.UNSAFE, Label.SAFE)
        }
        self._merges = {
            label: _CaptionRange(
                label=label,
                staged=files[label],
                unsafe=files[Label.UNSAFE] if label is Label.SAFE else StagedRows([], of),
                checks=checks,
                of=of,
            )
            for label in Label
        }

    def __len__(self) -> int:
        """Return the number of shards."""
        return sum(self._parts.values())

    def shard(self, number: int) -> Shard:
        """Return a shard, merged by an earlier run or now."""
        first = self._parts[Label.UNSAFE]
        label, part = (Label.UNSAFE, number) if number < first else (Label.SAFE, number - first)
        low, high = _key_range(part, self._parts[label], digits=32)
        key = digest([self._content, self._checks.key, label, low, high])
        return self._folder.shard_or(key, partial(self._merges[label].merge, part, low, high))


class ImageRanges(Ranges):
    """Ranges of the pictures."""

    def __init__(self, chunks: Sequence[Shard], folder: StageFolder) -> None:
        staged = _staged(chunks, "images", folder.path)
        self.rows = staged.rows
        self._folder, self._content = folder, _content(chunks)
        self._files = StagedRows(staged.paths, schema.IMAGES)
        self._parts = math.ceil(max(staged.bytes / _IMAGE_RANGE_BYTES, staged.rows / 2**20))

    def __len__(self) -> int:
        """Return the number of shards."""
        return self._parts

    def shard(self, number: int) -> Shard:
        """Return a shard, merged by an earlier run or now."""
        low, high = _key_range(number, self._parts, digits=64)
        key = digest([self._content, "images", low, high])
        return self._folder.shard_or(key, partial(self._merge, number, low, high))

    def _merge(self, part: int, low: str, high: str) -> ShardTables:
        table = self._files.between(low, high)
        images = _fold(table.sort_by(_ascending("image_sha256", "image_path")), "image_sha256")
        return ShardTables(
            tables={("images", f"images-{part:05d}"): images}, rows_in=table.num_rows
        )


def _content(chunks: Sequence[Shard]) -> str:
    return digest(["merge", VERSION, [chunk.key for chunk in chunks]])


@dataclass(frozen=True, kw_only=True)
class _CaptionRange:
    """Merges ranges of the captions of one side."""

    label: Label
    staged: StagedRows
    unsafe: StagedRows
    """Captions that must not be on this side."""
    checks: Checks
    of: pa.Schema

    def merge(self, part: int, low: str, high: str) -> ShardTables:
        """Fold copies, drop captions with conflicting labels, and check the others."""
        table = self.staged.between(low, high)
        order = [name for name in _ORDER if name in self.of.names]
        captions = _fold(table.sort_by(_ascending(*order)), "id")
        kept = _without(captions, self.unsafe.between(low, high, ["id"]))
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
