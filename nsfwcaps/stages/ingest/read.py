"""ingest, step 1: clean the rows of a pool and stage them in chunks, each sorted by id."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Any

import pyarrow as pa

from nsfwcaps import schema
from nsfwcaps.artifacts import Shard, ShardTables, StageFolder
from nsfwcaps.captions.clean import Clean, Rejected, clean_row
from nsfwcaps.captions.tables.column_names import Label
from nsfwcaps.config import digest
from nsfwcaps.progress import Advance
from nsfwcaps.sharing import Part
from nsfwcaps.stages.ingest import plans
from nsfwcaps.stages.ingest.pool import SHAPING, Pool, described
from nsfwcaps.stages.ingest.pool_rows import PoolRows
from nsfwcaps.stages.ingest.settings import IngestSettings

VERSION = 5

_CHUNK_ROWS = 131_072
_CHUNK_IMAGE_BYTES = 16 * 2**20


def read_chunks(
    pool: Pool, settings: IngestSettings, folder: StageFolder, advance: Advance
) -> Iterator[Shard]:
    """Stage a pool chunk by chunk; skip chunks that an earlier run staged.

    A pool that was read to its end is not opened again: its last chunk says so.
    """
    rows: PoolRows | None = None
    start, ended = 0, False
    while not ended:
        key = _key(pool, settings, start)
        shard = folder.shard(key)
        if shard is not None:
            advance(shard.rows_in)
            if rows is not None:
                rows.skip(shard.rows_in)
        else:
            if rows is None:
                rows = PoolRows(pool, settings)
                rows.skip(start)
            chunk = _Chunk(pool, rows)
            shard = folder.make_shard(key, partial(chunk.filled, settings, advance))
        yield shard
        start += shard.rows_in
        ended = shard.facts["ended"]


def strands(pools: Sequence[Pool]) -> list[tuple[Pool, Part]]:
    """Return the pool files, long ones several times, with the part of each that is read."""
    found = []
    for pool in pools:
        count = plans.strands(pool, _CHUNK_ROWS)
        found += [(pool, Part(number, count)) for number in range(count)]
    return found


def read_strand(
    pool: Pool, settings: IngestSettings, folder: StageFolder, strand: Part, advance: Advance
) -> None:
    """Stage every n-th chunk of a pool whose chunks are as long as the others; skip other rows.

    Reading a row takes a small part of the time that cleaning takes. If chunks are shorter, since
    they hold pictures, `read_chunks` finds no use for these, and reads the pool itself.
    """
    if strand.count == 1 or staged_chunks(pool, settings, folder) is not None:
        for _ in read_chunks(pool, settings, folder, advance):
            pass
        return
    rows, read = PoolRows(pool, settings), 0
    with closing(rows):
        for start in itertools.count(strand.index * _CHUNK_ROWS, strand.count * _CHUNK_ROWS):
            key = _key(pool, settings, start)
            shard = folder.shard(key)
            if shard is not None:
                advance(shard.rows_in)
            else:
                rows.skip(start - read)
                if start and rows.at_end():
                    return
                chunk = _Chunk(pool, rows)
                shard = folder.make_shard(key, partial(chunk.filled, settings, advance))
                read = start + shard.rows_in
            if shard.facts["ended"]:
                return


def staged_chunks(pool: Pool, settings: IngestSettings, folder: StageFolder) -> list[Shard] | None:
    """Return the chunks of a pool that was read to its end; None for any other. Reads nothing."""
    found: list[Shard] = []
    while not found or not found[-1].facts["ended"]:
        start = sum(shard.rows_in for shard in found)
        shard = folder.shard(_key(pool, settings, start))
        if shard is None:
            return None
        found.append(shard)
    return found


def _key(pool: Pool, settings: IngestSettings, start: int) -> str:
    """Return the key of the chunk of a pool that begins with a row."""
    asked = {name: getattr(settings, name) for name in SHAPING}
    source = {"sha256": pool.digest, "label": pool.label, "name": pool.name}
    return digest(["stage", VERSION, source, asked, start, _CHUNK_ROWS, _CHUNK_IMAGE_BYTES])


class _Chunk:
    """Columns of one chunk while it is being read."""

    def __init__(self, pool: Pool, source: PoolRows) -> None:
        self.pool = pool
        self.source = source
        self.rows = 0
        self.several_categories = 0
        self.kept: dict[Label, list[tuple[Clean, int]]] = {label: [] for label in Label}
        self.rejected: list[tuple[Rejected, int]] = []
        self.pictures: dict[str, tuple[str | None, bytes | None]] = {}
        self.image_bytes = 0
        self.hidden = 0
        self.kept_cells: dict[int, str] = {}

    def filled(self, settings: IngestSettings, advance: Advance) -> ShardTables:
        """Read rows until the chunk is full or the pool ends, and return them as tables."""
        rows = self.source
        while self.rows < _CHUNK_ROWS and self.image_bytes < _CHUNK_IMAGE_BYTES:
            numbered = rows.next()
            if numbered is None:
                break
            number, row = numbered
            for item in clean_row(
                row,
                rows.columns,
                self.pool.label,
                max_chars=settings.max_chars,
                null_words=settings.null_words,
                read_image=rows.images.read,
                template=rows.template,
            ):
                self._add(number, item)
            if rows.kept and isinstance(row, dict):
                self.kept_cells[number] = rows.kept.encode(row)
            self.rows += 1
            if self.rows % 1024 == 0:
                advance(1024)
        advance(self.rows % 1024)
        return self._tables()

    def _add(self, number: int, item: Clean | Rejected) -> None:
        if isinstance(item, Rejected):
            self.rejected.append((item, number))
            return
        self.hidden += item.hidden
        self.several_categories += item.labels > 1
        if item.image_sha256 is not None:
            self._add_picture(item.image_sha256, item)
            if item.image is not None:
                item = replace(item, image=None)
        self.kept[item.label].append((item, number))

    def _add_picture(self, sha256: str, item: Clean) -> None:
        """Keep one copy of a picture, with the smallest of its paths, as merging does."""
        path = self.source.images.absolute(item.image_path) if item.image_path else None
        if sha256 not in self.pictures:
            self.pictures[sha256] = (path, item.image)
            self.image_bytes += len(item.image or b"")
        elif path is not None and path < (self.pictures[sha256][0] or "\U0010ffff"):
            self.pictures[sha256] = (path, item.image)

    def _tables(self) -> ShardTables:
        """Return the tables of the chunk: captions by label, pictures, rejects."""
        tables = {
            (f"staged-{label}", f"staged-{label}"): self._captions(label)
            for label, kept in self.kept.items()
            if kept
        }
        if self.pictures:
            tables["staged-images", "staged-images"] = self._images()
        if self.rejected:
            tables["rejects", "rejects"] = self._rejects()
        reasons = Counter(item.reason for item, _ in self.rejected)
        return ShardTables(
            tables=tables,
            rows_in=self.rows,
            rejects=dict(sorted(reasons.items())),
            mapped={group for group, _ in tables if group != "rejects"},
            facts={
                "captions": sum(map(len, self.kept.values())),
                "hidden_characters": self.hidden,
                "several_categories": self.several_categories,
                "columns": self._described(),
                "ended": self.source.at_end(),
                **({"kept": self.source.kept.kinds()} if self.source.kept else {}),
            },
        )

    def _described(self) -> dict[str, Any]:
        found = described(self.source.columns, self.source.template)
        spelt = list(self.source.kept.spelt.values())
        return {**found, "kept": spelt} if spelt else found

    def _captions(self, label: Label) -> pa.Table:
        kept = sorted(self.kept[label], key=lambda item: (item[0].id, item[1]))
        items = [item for item, _ in kept]
        more = {"kept": [self.kept_cells[number] for _, number in kept]} if self.source.kept else {}
        return pa.table(
            {
                "id": [item.id for item in items],
                "caption": [item.caption for item in items],
                "category": [item.category for item in items],
                "partner": [item.partner for item in items],
                "source": [self.pool.name] * len(items),
                "source_row": [number for _, number in kept],
                "copies": [1] * len(items),
                "fold_key": pa.array([item.fold_key for item in items], pa.uint64()),
                "image_path": [item.image_path for item in items],
                "image_sha256": [item.image_sha256 for item in items],
                "flags": [None] * len(items),
                **more,
            },
            schema=schema.captions(with_kept=bool(more)),
        )

    def _images(self) -> pa.Table:
        ordered = sorted(self.pictures.items())
        return pa.table(
            {
                "image_sha256": [sha256 for sha256, _ in ordered],
                "image_path": [path for _, (path, _) in ordered],
                "image": [data for _, (_, data) in ordered],
            },
            schema=schema.IMAGES,
        )

    def _rejects(self) -> pa.Table:
        return pa.table(
            {
                "source": [self.pool.name] * len(self.rejected),
                "source_row": [number for _, number in self.rejected],
                "reason": [item.reason for item, _ in self.rejected],
                "label": [item.label for item, _ in self.rejected],
                "caption": [item.raw for item, _ in self.rejected],
            },
            schema=schema.INGEST_REJECTS,
        )
