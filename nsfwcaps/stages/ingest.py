"""ingest: pools in, one clean caption per content id out, sorted by id.

    pools ─ read ─ clean ─▶ staged chunks, each sorted by id ─ merge by id range ─▶ shards

Chunks bound the memory of reading, ranges that of merging. Sorting by a content hash makes the
result independent of the order of the input, of its split into files and of the shard size, and
lets later stages break ties by position.
"""

from __future__ import annotations

import itertools
import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from nsfwcaps import schema
from nsfwcaps.artifacts import Shard, StageFolder, StageRecord, StageResult
from nsfwcaps.captions import sources as pool_sources
from nsfwcaps.captions.clean import Clean, Rejected, clean_row, image_reader
from nsfwcaps.captions.columns import Columns, Label, resolve
from nsfwcaps.captions.readers import read_pool
from nsfwcaps.config import digest
from nsfwcaps.errors import ConfigError, InputError
from nsfwcaps.progress import Advance, Progress
from nsfwcaps.settings import IngestSettings

VERSION = 1

_CHUNK_ROWS = 131_072
# A share is noise on a handful of rows: below this many rejects a pool is never stopped.
_FEW_REJECTS = 3


@dataclass(frozen=True, kw_only=True)
class Pool:
    """One file of a pool, with the label that its place on the command line gives it."""

    url: str
    label: Label | None
    digest: str

    @property
    def name(self) -> str:
        """File name, which is how tables refer to the pool."""
        return self.url.rpartition("/")[2]


def sources(settings: IngestSettings) -> Mapping[str, str]:
    """Content digest of every pool file."""
    return {f"{pool.label or 'pool'}:{pool.url}": pool.digest for pool in _pools(settings)}


def plan(settings: IngestSettings, inputs: Mapping[str, StageRecord]) -> Mapping[str, Any]:
    """Files and bytes to read."""
    local = [pool_sources.local_path(pool.url) for pool in _pools(settings)]
    size = sum(path.stat().st_size for path in local if path is not None)
    return {"pool_files": len(local), "input_bytes": size}


def run(
    settings: IngestSettings,
    folder: StageFolder,
    inputs: Mapping[str, StageRecord],
    progress: Progress,
) -> StageResult:
    """Read every pool into staged chunks, then merge the chunks by id range."""
    chunks: list[Shard] = []
    facts = []
    with progress.task("ingest: read", None) as advance:
        for pool in _pools(settings):
            read = list(_read_chunks(pool, settings, folder, advance))
            facts.append(_pool_facts(pool, read, settings, folder.path))
            chunks += read
    merged, conflicts = _merge(chunks, settings, folder, progress)
    counts = {label.value: _rows(merged, label) for label in Label}
    # Rejects were counted when read; the merged shards carry the captions.
    kept_rejects = [_only_rejects(chunk) for chunk in chunks]
    return StageResult(
        shards=[*merged, *kept_rejects],
        facts={
            "captions": counts,
            "copies_folded": sum(fact["captions"] for fact in facts)
            - sum(counts.values())
            - conflicts,
            "safe_dropped_as_also_unsafe": conflicts,
            "pools": facts,
        },
    )


def _pools(settings: IngestSettings) -> list[Pool]:
    named = [
        *((url, Label.SAFE) for url in settings.safe),
        *((url, Label.UNSAFE) for url in settings.unsafe),
        *((url, None) for url in settings.pool),
    ]
    if not named:
        raise ConfigError("ingest: no pool is named; give --safe and --unsafe, or --pool")
    files = [(file, label) for url, label in named for file in pool_sources.expand(url)]
    return [
        Pool(url=url, label=label, digest=pool_sources.content_digest(url)) for url, label in files
    ]


def _read_chunks(
    pool: Pool, settings: IngestSettings, folder: StageFolder, advance: Advance
) -> Iterator[Shard]:
    columns: Columns | None = None

    def choose(present: Any) -> list[str]:
        nonlocal columns
        columns = resolve(
            present,
            pool.label,
            where=pool.url,
            caption=settings.caption_column,
            image=settings.image_column,
            category=settings.category_column,
            label_column=settings.label_column,
        )
        found = (columns.caption, columns.image, columns.category, columns.label)
        return [name for name in dict.fromkeys(found) if name is not None]

    read_image = image_reader(pool_sources.local_path(pool.url))
    rows = enumerate(read_pool(pool.url, choose))
    reading = {"pool": pool.digest, "label": pool.label, "name": pool.name, "version": VERSION}
    columns_asked = {
        name: getattr(settings, name)
        for name in ("caption_column", "image_column", "category_column", "label_column")
    }
    for number in itertools.count():
        chunk = itertools.islice(rows, _CHUNK_ROWS)
        key = digest([reading, columns_asked, settings.max_chars, number, _CHUNK_ROWS])
        started = time.monotonic()
        if done := folder.shard(key):
            count = sum(1 for _ in chunk)  # read again, so that the next chunk starts right
            advance(count)
            yield done
            if count < _CHUNK_ROWS:
                return
            continue
        table = _Chunk(pool)
        for row_number, row in chunk:
            for item in clean_row(
                row, columns, pool.label, max_chars=settings.max_chars, read_image=read_image
            ):
                table.add(row_number, item)
            table.rows += 1
            if table.rows % 1024 == 0:
                advance(1024)
        advance(table.rows % 1024)
        if table.rows == 0 and number > 0:
            return
        yield table.commit(folder, key, started)
        if table.rows < _CHUNK_ROWS:
            return


class _Chunk:
    """Columns of one chunk while it is read."""

    def __init__(self, pool: Pool) -> None:
        self.pool = pool
        self.rows = 0
        self.kept: dict[Label, list[tuple[Clean, int]]] = {label: [] for label in Label}
        self.rejected: list[tuple[Rejected, int]] = []

    def add(self, row_number: int, item: Clean | Rejected) -> None:
        if isinstance(item, Rejected):
            self.rejected.append((item, row_number))
        else:
            self.kept[item.label].append((item, row_number))

    def commit(self, folder: StageFolder, key: str, started: float) -> Shard:
        tables = {
            (f"staged-{label}", f"staged-{label}"): self._captions(label)
            for label, kept in self.kept.items()
            if kept
        }
        if self.rejected:
            tables["rejects", "rejects"] = self._rejects()
        reasons = Counter(item.reason for item, _ in self.rejected)
        return folder.commit(
            key,
            tables,
            rows_in=self.rows,
            rejects=dict(sorted(reasons.items())),
            facts={"captions": sum(map(len, self.kept.values()))},
            started=started,
        )

    def _captions(self, label: Label) -> pa.Table:
        kept = sorted(self.kept[label], key=lambda item: (item[0].id, item[1]))
        table = pa.table(
            {
                "id": [item.id for item, _ in kept],
                "caption": [item.caption for item, _ in kept],
                "category": [item.category for item, _ in kept],
                "source": [self.pool.name] * len(kept),
                "source_row": [row for _, row in kept],
                "copies": [1] * len(kept),
                "fold_key": pa.array([item.fold_key for item, _ in kept], pa.uint64()),
                "image_path": [item.image_path for item, _ in kept],
                "image_sha256": [item.image_sha256 for item, _ in kept],
                "image": [item.image for item, _ in kept],
            },
            schema=schema.CAPTIONS,
        )
        return table

    def _rejects(self) -> pa.Table:
        return pa.table(
            {
                "source": [self.pool.name] * len(self.rejected),
                "source_row": [row for _, row in self.rejected],
                "reason": [item.reason for item, _ in self.rejected],
                "label": [item.label for item, _ in self.rejected],
                "caption": [item.raw for item, _ in self.rejected],
            },
            schema=schema.INGEST_REJECTS,
        )


def _pool_facts(
    pool: Pool, chunks: list[Shard], settings: IngestSettings, path: Path
) -> dict[str, Any]:
    """Count a pool, and stop the run where it is empty or too much of it is unusable."""
    rows = sum(chunk.rows_in for chunk in chunks)
    captions = sum(chunk.facts["captions"] for chunk in chunks)
    rejects: Counter[str] = Counter()
    for chunk in chunks:
        rejects.update(chunk.rejects)
    bad = rejects.total()
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(rejects.items()))
    if captions == 0:
        raise InputError(
            f"{pool.url}: no usable caption in {rows} rows" + (f" ({reasons})" if reasons else "")
        )
    share = bad / (captions + bad)
    if share > settings.max_reject_share and bad >= _FEW_REJECTS:
        raise InputError(
            f"{pool.url}: {bad} of {captions + bad} captions are unusable ({share:.1%}: {reasons}), "
            f"more than max_reject_share allows ({settings.max_reject_share:.1%}). They are kept "
            f"with their reasons in {path}/rejects-*.parquet; mend the pool, or raise "
            "--max-reject-share"
        )
    return {
        "name": pool.name,
        "label": pool.label.value if pool.label else "by column",
        "sha256": pool.digest,
        "rows": rows,
        "captions": captions,
        "rejects": dict(sorted(rejects.items())),
    }


def _merge(
    chunks: list[Shard], settings: IngestSettings, folder: StageFolder, progress: Progress
) -> tuple[list[Shard], int]:
    """Merge the staged chunks by ranges of the id; also count safe captions dropped as unsafe."""
    staged = {label: _staged(chunks, label, folder.path) for label in Label}
    ranges = {
        label: max(1, math.ceil(rows / settings.shard_rows)) if rows else 0
        for label, (_, rows) in staged.items()
    }
    content = digest([chunk.key for chunk in chunks])
    merged, conflicts = [], 0
    total = sum(rows for _, rows in staged.values())
    with progress.task("ingest: merge", total) as advance:
        for label in (Label.UNSAFE, Label.SAFE):
            for part in range(ranges[label]):
                low, high = _id_range(part, ranges[label])
                key = digest(["merge", content, label, low, high, settings.shard_rows, VERSION])
                shard = folder.shard(key)
                if shard is None:
                    started = time.monotonic()
                    table = _read_range(staged[label][0], low, high)
                    rows, copies = table.num_rows, _fold(table)
                    unsafe = staged[Label.UNSAFE][0] if label is Label.SAFE else []
                    kept = _without(copies, _read_range(unsafe, low, high, ["id"]))
                    shard = folder.commit(
                        key,
                        {(label.value, f"{label}-{part:05d}"): kept},
                        rows_in=rows,
                        facts={"conflicts": copies.num_rows - kept.num_rows},
                        started=started,
                    )
                advance(shard.rows_in)
                conflicts += shard.facts["conflicts"]
                merged.append(shard)
    return merged, conflicts


def _staged(chunks: list[Shard], label: Label, path: Path) -> tuple[list[Path], int]:
    files = [file for chunk in chunks for file in chunk.files if file.group == f"staged-{label}"]
    return [path / file.path for file in files], sum(file.rows for file in files)


def _id_range(part: int, parts: int) -> tuple[str, str]:
    """First id of a range and of the next; ids are uniform hashes, so ranges are even."""
    low, high = ((2**128 * edge) // parts for edge in (part, part + 1))
    return f"{low:032x}", f"{high:032x}" if part + 1 < parts else "g"  # "g" sorts after every id


def _read_range(
    paths: list[Path], low: str, high: str, columns: list[str] | None = None
) -> pa.Table:
    if not paths:
        return pa.table({"id": pa.array([], pa.string())})
    pool = ds.dataset([str(path) for path in paths], schema=schema.CAPTIONS)
    within = (ds.field("id") >= low) & (ds.field("id") < high)
    return pool.to_table(columns=columns, filter=within)


def _fold(table: pa.Table) -> pa.Table:
    """Keep the first of equal ids (by source, then row) and count how many there were."""
    if table.num_rows == 0:
        return table
    order = [(name, "ascending") for name in ("id", "source", "source_row")]
    table = table.sort_by(order)
    # Equal ids are neighbours now: the first is the one that differs from the row before.
    ids = table["id"].combine_chunks()
    first = pc.fill_null(pc.not_equal(ids[1:], ids[:-1]), False)
    starts = pc.indices_nonzero(pa.concat_arrays([pa.array([True]), first]))
    ends = pa.concat_arrays([starts[1:], pa.array([table.num_rows], pa.uint64())])
    copies = pc.subtract(ends.cast(pa.int64()), starts.cast(pa.int64()))
    place = table.schema.get_field_index("copies")
    return table.take(starts).set_column(place, "copies", copies).combine_chunks()


def _without(safe: pa.Table, unsafe: pa.Table) -> pa.Table:
    """Drop safe captions that a pool calls unsafe: a doubtful one must not become a target."""
    return safe.filter(pc.invert(pc.is_in(safe["id"], unsafe["id"].combine_chunks())))


def _only_rejects(chunk: Shard) -> Shard:
    files = tuple(file for file in chunk.files if file.group == "rejects")
    return Shard(
        key=chunk.key,
        files=files,
        rows_in=0,
        rows_out=0,
        rejects=chunk.rejects,
        facts=chunk.facts,
        seconds=chunk.seconds,
    )


def _rows(shards: list[Shard], label: Label) -> int:
    return sum(file.rows for shard in shards for file in shard.files if file.group == label.value)
