"""ingest, step 1: clean the rows of a pool and stage them in chunks, each sorted by id."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import pyarrow as pa

from nsfwcaps import schema
from nsfwcaps.artifacts import Shard, ShardTables, StageFolder
from nsfwcaps.captions.clean import Clean, Rejected, clean_row, image_cell
from nsfwcaps.captions.images import ImageReader, ImageTemplate
from nsfwcaps.captions.opening import shown
from nsfwcaps.captions.readers import read_pool
from nsfwcaps.captions.rows import BadRow, Row, Sample
from nsfwcaps.captions.tables.column_names import Label, folded
from nsfwcaps.captions.tables.columns import resolve
from nsfwcaps.captions.tables.kept import listed
from nsfwcaps.captions.tables.roles import Columns
from nsfwcaps.captions.tables.values import text_cell
from nsfwcaps.config import digest
from nsfwcaps.errors import InputError
from nsfwcaps.progress import Advance
from nsfwcaps.stages.ingest.keep import KeptColumns
from nsfwcaps.stages.ingest.pool import (
    SHAPING,
    Pool,
    described,
    named_columns,
    read_options,
    template_of,
)
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


class PoolRows:
    """Numbered rows of one pool, with the columns recognised in it."""

    def __init__(self, pool: Pool, settings: IngestSettings) -> None:
        self.columns: Columns | None = None
        self.images = ImageReader(pool.url, settings.image_root)
        template = template_of(settings, pool.label)
        self.template = None if template is None else ImageTemplate(template)
        self.kept = KeptColumns(listed(settings.keep_columns), pool.url)
        self._pool = pool
        self._named = named_columns(settings, pool.label)
        if any(item.startswith("split ") for item in pool.chosen):  # its files are the split
            self._named = replace(self._named, splits=frozenset())
        self._elsewhere: set[str] = set()
        """Image columns whose files are not there."""
        self._ahead: tuple[int, Row | BadRow] | None = None
        self._read = read_pool(pool.url, self._choose, read_options(settings))
        self._rows = enumerate(self._read)

    def _choose(self, sample: Sample) -> list[str]:
        found = resolve(sample, self._pool.label, where=shown(self._pool.url), named=self._named)
        found = self._with_images(found, sample)
        if self.columns is not None and found.caption != self.columns.caption:
            raise InputError(
                f"{shown(self._pool.url)}: the captions are in '{self.columns.caption}' in the "
                f"first rows, in '{found.caption}' in later ones; choose one with --caption-column"
            )
        extra = [*self._pool_columns(sample), *self.kept.choose(sample)]
        ignored = tuple(name for name in found.ignored if name not in extra)
        self.columns = replace(found, ignored=ignored)
        return list(dict.fromkeys((*found.used, *extra)))

    def _with_images(self, found: Columns, sample: Sample) -> Columns:
        """Check that images are where the columns say, by the first rows.

        Raises:
            InputError: no image is there, and the user asked for images or the pool has its own.
        """
        if found.image is None or found.image in sample.binary:
            return found
        # A header line repeated inside the file has the name of the column there.
        rows = (row for row in sample.rows if text_cell(row.get(found.image)) != found.image)
        cells = (image_cell(text_cell(row.get(found.image))) for row in rows)
        named = [path for path, data in cells if path is not None and data is None]
        is_later = self.columns is not None and found.image not in self._elsewhere
        if not named or is_later or any(map(self._is_there, named)):
            return found
        folder = shown(self.images.root)
        if found.images_elsewhere:
            self._elsewhere.add(found.image)
            note = f"none ({found.image}: no such files; see --image-root)"
            return replace(found, image=None, notes={**found.notes, "image": note})
        if all("://" in path for path in named):
            raise InputError(
                f"{shown(self._pool.url)}: no image at the addresses in '{found.image}' can be "
                "read; check the network, install the package of their store, such as aiohttp, or "
                "read captions alone with --no-images"
            )
        raise InputError(
            f"{shown(self._pool.url)}: none of the images named in '{found.image}' is in {folder}; "
            "set their folder with --image-root, or read captions alone with --no-images"
        )

    def _is_there(self, path: str) -> bool:
        return self.images.exists(path)

    def _pool_columns(self, sample: Sample) -> list[str]:
        """Columns that are read beside those of `Columns`: those of the image template."""
        if self.template is None:
            return []
        own = {folded(name): name for name in sample.names}
        missing = [name for name in self.template.columns if folded(name) not in own]
        if missing:
            raise InputError(
                f"{shown(self._pool.url)}: the image template needs the column '{missing[0]}', "
                "which the pool lacks"
            )
        return [own[folded(name)] for name in self.template.columns]

    def next(self) -> tuple[int, Row | BadRow] | None:
        """Return the next row with its number, or None at the end."""
        ahead, self._ahead = self._ahead, None
        return ahead or next(self._rows, None)

    def close(self) -> None:
        """Close the file before its end."""
        self._read.close()

    def at_end(self) -> bool:
        """Return whether all rows have been read; looks one row ahead."""
        self._ahead = self._ahead or next(self._rows, None)
        return self._ahead is None

    def skip(self, rows: int) -> None:
        """Skip rows that an earlier run has staged."""
        for _ in range(rows):
            self.next()


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
