"""ingest, step 1: clean the rows of a pool and stage them in chunks, each sorted by id."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pyarrow as pa

from nsfwcaps import schema
from nsfwcaps.artifacts import Shard, ShardTables, StageFolder
from nsfwcaps.captions.clean import Clean, Rejected, clean_row
from nsfwcaps.captions.columns import Columns, Label, resolve
from nsfwcaps.captions.images import ImageReader
from nsfwcaps.captions.readers import BadRow, Row, read_pool
from nsfwcaps.config import digest
from nsfwcaps.progress import Advance
from nsfwcaps.stages.ingest.settings import IngestSettings

VERSION = 2

_CHUNK_ROWS = 131_072
_CHUNK_IMAGE_BYTES = 256 * 2**20


@dataclass(frozen=True, kw_only=True)
class Pool:
    """One pool file, with the label given by its command-line option."""

    url: str
    label: Label | None
    digest: str

    @property
    def name(self) -> str:
        """File name, used to refer to the pool in tables."""
        return self.url.rpartition("/")[2]


def read_chunks(
    pool: Pool, settings: IngestSettings, folder: StageFolder, advance: Advance
) -> Iterator[Shard]:
    """Stage a pool chunk by chunk; skip chunks that an earlier run staged."""
    asked = {
        name: getattr(settings, name)
        for name in (
            *("caption_column", "safe_caption_column", "unsafe_caption_column"),
            *("images", "image_column", "safe_image_column", "unsafe_image_column"),
            *("image_root", "category_column", "partner_column"),
            *("label_column", "max_chars"),
        )
    }
    source = {"sha256": pool.digest, "label": pool.label, "name": pool.name}
    rows = _PoolRows(pool, settings)
    images = ImageReader(pool.url, settings.image_root)
    start = 0
    while start == 0 or not rows.at_end():
        key = digest(["stage", VERSION, source, asked, start, _CHUNK_ROWS, _CHUNK_IMAGE_BYTES])
        shard = folder.shard(key)
        if shard is not None:
            rows.skip(shard.rows_in)
            advance(shard.rows_in)
        else:
            chunk = _Chunk(pool, images)
            shard = folder.make_shard(key, partial(chunk.filled, rows, settings.max_chars, advance))
        yield shard
        start += shard.rows_in
        if shard.rows_in == 0:
            return


class _PoolRows:
    """Numbered rows of one pool, with the columns detected in it."""

    def __init__(self, pool: Pool, settings: IngestSettings) -> None:
        self.columns: Columns | None = None
        self._pool = pool
        self._settings = settings
        self._rows = enumerate(read_pool(pool.url, self._choose))

    def _choose(self, present: Any) -> list[str]:
        settings, label = self._settings, self._pool.label
        caption, image = {
            Label.SAFE: (settings.safe_caption_column, settings.safe_image_column),
            Label.UNSAFE: (settings.unsafe_caption_column, settings.unsafe_image_column),
            None: (None, None),
        }[label]
        found = resolve(
            present,
            label,
            where=self._pool.url,
            caption=caption or settings.caption_column,
            image=(image or settings.image_column) if settings.images else None,
            # Only the category and the partner of an unsafe caption are used.
            category=settings.category_column if label is not Label.SAFE else None,
            partner=settings.partner_column if label is not Label.SAFE else None,
            label_column=settings.label_column,
        )
        self.columns = found if settings.images else replace(found, image=None)
        found = self.columns
        names = (found.caption, found.image, found.category, found.partner, found.label)
        return [name for name in dict.fromkeys(names) if name is not None]

    def __iter__(self) -> Iterator[tuple[int, Row | BadRow]]:
        return self._rows

    def at_end(self) -> bool:
        """Return whether all rows have been read; looks one row ahead."""
        first = next(self._rows, None)
        if first is not None:
            self._rows = itertools.chain([first], self._rows)  # type: ignore[assignment]
        return first is None

    def skip(self, rows: int) -> None:
        """Skip rows that an earlier run has staged."""
        next(itertools.islice(self._rows, rows, rows), None)


class _Chunk:
    """Columns of one chunk while it is being read."""

    def __init__(self, pool: Pool, images: ImageReader) -> None:
        self.pool = pool
        self.images = images
        self.rows = 0
        self.kept: dict[Label, list[tuple[Clean, int]]] = {label: [] for label in Label}
        self.rejected: list[tuple[Rejected, int]] = []
        self.pictures: dict[str, tuple[str | None, bytes | None]] = {}
        self.image_bytes = 0

    def filled(self, rows: _PoolRows, max_chars: int, advance: Advance) -> ShardTables:
        """Read rows until the chunk is full or the pool ends, and return them as tables."""
        while self.rows < _CHUNK_ROWS and self.image_bytes < _CHUNK_IMAGE_BYTES:
            numbered = next(iter(rows), None)
            if numbered is None:
                break
            number, row = numbered
            for item in clean_row(
                row,
                rows.columns,
                self.pool.label,
                max_chars=max_chars,
                read_image=self.images.read,
            ):
                self._add(number, item)
            self.rows += 1
            if self.rows % 1024 == 0:
                advance(1024)
        advance(self.rows % 1024)
        return self._tables()

    def _add(self, number: int, item: Clean | Rejected) -> None:
        if isinstance(item, Rejected):
            self.rejected.append((item, number))
            return
        if item.image_sha256 is not None:
            self._add_picture(item.image_sha256, item)
            if item.image is not None:
                item = replace(item, image=None)
        self.kept[item.label].append((item, number))

    def _add_picture(self, sha256: str, item: Clean) -> None:
        """Keep one copy of a picture, with the smallest of its paths, as merging does."""
        path = self.images.absolute(item.image_path) if item.image_path else None
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
            facts={"captions": sum(map(len, self.kept.values()))},
        )

    def _captions(self, label: Label) -> pa.Table:
        kept = sorted(self.kept[label], key=lambda item: (item[0].id, item[1]))
        items = [item for item, _ in kept]
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
            },
            schema=schema.CAPTIONS,
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
