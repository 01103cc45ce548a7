"""ingest, plans: how much there is to read, and how fast files of that kind were read here.

A byte of text takes many times as long as a byte of a picture. So a kind of work names the format,
whether there are pictures, and what the captions are checked with.
"""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from nsfwcaps.artifacts import StageFolder
from nsfwcaps.captions import sources
from nsfwcaps.captions.folders.members import suffix
from nsfwcaps.captions.opening import local_path, shown
from nsfwcaps.captions.tables.column_names import IMAGE_NAMES, IMAGE_NAMES_OF_SIDE
from nsfwcaps.stages.ingest.pool import Pool
from nsfwcaps.stages.ingest.settings import IngestSettings

_TEXT = ("csv", "tsv", "json", "jsonl", "ndjson")
_LINES = ("txt", "token")
_PARQUET = ("parquet", "pq")
_PACKED = ("gz", "bz2", "xz", "zst", "lz4")
_MOST_STRANDS, _CHUNKS_OF_STRAND = 8, 2
_BYTES_OF_ROW, _TIMES_LARGER = 48, 4
"""Bytes of a row of text, about, and how much larger a packed file is when it is unpacked."""
_START = 1 << 16
"""Bytes of a file of text in which names of image columns are looked for."""
_IMAGES = frozenset(
    name.encode() for names in (IMAGE_NAMES, *IMAGE_NAMES_OF_SIDE.values()) for name in names
)

Work = dict[str, float]


def work(pools: Sequence[Pool], settings: IngestSettings) -> Work:
    """Return the amount of each kind of work; NaN where a store reports no size."""
    found: Work = {}
    for pool in pools:
        kind, amount = _kind_and_amount(pool, settings)
        found[kind] = found.get(kind, 0.0) + amount
    return found


def strands(pool: Pool, chunk_rows: int) -> int:
    """Return into how many interleaved parts the reading of a pool file is cut.

    One, unless it is on this machine, has no pictures inside, and is so long that each part has
    several chunks: every part reads the whole file, and cleans its own rows.
    """
    path, name = local_path(pool.url), shown(pool.url)
    form, packed = suffix(name), 1
    if form in _PACKED:
        form, packed = suffix(name[: -len(form) - 1]), _TIMES_LARGER
    if path is None or not path.is_file():
        return 1
    if form in _PARQUET:
        parquet = _parquet(path)
        if parquet is None or any(map(_holds_bytes, parquet.schema.to_arrow_schema().types)):
            return 1
        rows = int(parquet.num_rows)
    elif form in (*_TEXT, *_LINES):
        rows = path.stat().st_size * packed // _BYTES_OF_ROW
    else:
        return 1
    return max(1, min(_MOST_STRANDS, rows // (_CHUNKS_OF_STRAND * chunk_rows)))


class ReadingPace:
    """Measures how long the pools of a run took, each with its share of what comes after."""

    def __init__(self, settings: IngestSettings, folder: StageFolder) -> None:
        """A run that goes on measures nothing, because it does a part of the work."""
        self._settings, self._new = settings, not folder.journal_rows()
        self._began = time.monotonic()
        self._read: list[tuple[Pool, float]] = []

    @contextmanager
    def reading(self, pool: Pool) -> Iterator[None]:
        """Measure the reading of a pool."""
        began = time.monotonic()
        yield
        self._read.append((pool, time.monotonic() - began))

    def rates(self, captions: Sequence[int]) -> dict[str, tuple[float, float]]:
        """Return amount and seconds by kind of work, from the captions of each pool."""
        if not self._new:
            return {}
        after = time.monotonic() - self._began - sum(seconds for _, seconds in self._read)
        found: dict[str, tuple[float, float]] = {}
        for (pool, seconds), count in zip(self._read, captions, strict=True):
            kind, amount = _kind_and_amount(pool, self._settings)
            before, spent = found.get(kind, (0.0, 0.0))
            share = after * count / max(1, sum(captions))
            found[kind] = before + amount, spent + seconds + share
        return found


def _kind_and_amount(pool: Pool, settings: IngestSettings) -> tuple[str, float]:
    """Return a kind of work and its amount: rows of a local Parquet file, or bytes."""
    path, name = local_path(pool.url), shown(pool.url)
    form = "folder" if name.endswith("/") else suffix(name)
    if form in _PACKED:
        form = f"{suffix(name[: -len(form) - 1])}.{form}"
    size, unit = float(sources.size_bytes(pool.url)), "bytes"
    if path is None and not size:
        size = float("nan")
    parquet = _parquet(path) if path is not None and form in _PARQUET else None
    if parquet is not None:
        size, unit = float(parquet.num_rows), "rows"
    if settings.images and (_chosen(settings) or _has_images(parquet, path, form)):
        form += " with pictures"
    checked = [*settings.safe_detector, *(["benchmarks"] if settings.exclude else [])]
    screened = f"screen {settings.screen.value}"
    return ", ".join(["ingest", form, screened, *checked, unit]), size


def _chosen(settings: IngestSettings) -> bool:
    """Whether the settings say where the pictures are."""
    named = (settings.image_column, settings.safe_image_column, settings.unsafe_image_column)
    return any((*named, settings.safe_image, settings.unsafe_image))


def _has_images(parquet: pq.FileMetaData | None, path: Path | None, form: str) -> bool:
    """Whether columns look like those of pictures; formats of pictures need no such word."""
    plain, _, packed = form.partition(".")
    if parquet is not None:
        schema = parquet.schema.to_arrow_schema()
        names = {name.lower().encode() for name in schema.names}
        return any(_holds_bytes(field.type) for field in schema) or not _IMAGES.isdisjoint(names)
    if path is None or plain not in _TEXT or packed not in ("", "gz"):
        return False
    head = _start(path, packed).lower().partition(b"\n")[0]
    words = head.replace(b'"', b",").replace(b"\t", b",").split(b",")
    return not _IMAGES.isdisjoint(word.strip() for word in words)


def _start(path: Path, packed: str) -> bytes:
    try:
        with gzip.open(path) if packed else path.open("rb") as file:
            return file.read(_START)
    except OSError:  # the run says what is wrong
        return b""


def _holds_bytes(kind: Any) -> bool:
    if pa.types.is_struct(kind):
        return any(_holds_bytes(kind.field(row).type) for row in range(kind.num_fields))
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _parquet(path: Path) -> pq.FileMetaData | None:
    """Return the footer of a Parquet file; None if it is damaged, as the run says."""
    try:
        return pq.read_metadata(path)
    except (OSError, pa.ArrowException):
        return None
