"""How many rows a pool file has: counted where its format says so, else estimated by its bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, BinaryIO, cast

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from nsfwcaps.captions.formats import columnar, tars
from nsfwcaps.captions.formats.tar_samples import grouped
from nsfwcaps.captions.opening import compression, decompressed, peeked, reaching
from nsfwcaps.captions.readers import by_content, reader_of

_BLOCK_BYTES = 2**19
_BLOCKS = 16


@dataclass(frozen=True, kw_only=True)
class Extent:
    """Rows of a file."""

    rows: int
    exact: bool


def stored_rows(url: str) -> Extent | None:
    """Rows of a file by its metadata or its list of members; None if it has neither.

    Raises:
        InputError: the file is missing or damaged.
    """
    with reaching(url):
        if url.endswith("/"):
            filesystem, path = fsspec.core.url_to_fs(url)
            return _members(sorted(filesystem.find(path)))
        with fsspec.open(url, "rb") as file:
            head = file.read(64)
            reader = by_content(head, reader_of(url))
            if not file.seekable():
                return None
            file.seek(0)
            if reader is columnar.read_parquet:
                return Extent(rows=pq.read_metadata(file).num_rows, exact=True)
            if reader is columnar.read_arrow and columnar.is_local(file):
                _, batches = columnar.arrow_batches(pa.memory_map(file.path))
                return Extent(rows=sum(batch.num_rows for batch in batches), exact=True)
            if reader is tars.read and compression(head) is None and columnar.is_local(file):
                return _members([name for name, _ in tars.listed(file, url)])
    return None


def _members(names: list[str]) -> Extent:
    """Rows of images with captions beside them: one for each image."""
    parts, _ = grouped(names)
    # Captions without an image are rows too, which are set aside.
    return Extent(rows=sum(max(1, len(item.images)) for item in parts), exact=False)


def lines_per_byte(url: str) -> float:
    """Lines for each stored byte of a text file.

    Blocks all over the file are read; of a compressed one, those at its start.

    Raises:
        InputError: the file is missing or damaged.
    """
    with reaching(url), fsspec.open(url, "rb") as raw:
        file, head = peeked(cast(BinaryIO, raw), 32)
        if compression(head) is not None:
            return _of_first_blocks(file, url)
        size = _size(raw)
        whole = size <= _BLOCKS * _BLOCK_BYTES
        starts = range(0, size, _BLOCK_BYTES) if whole else _spread(size)
        lines = read = 0
        for start in starts:
            file.seek(start)
            block = file.read(_BLOCK_BYTES)
            lines, read = lines + block.count(b"\n"), read + len(block)
        return lines / max(1, read)


def _of_first_blocks(raw: BinaryIO, url: str) -> float:
    file = decompressed(raw, url)
    lines = sum(file.read(_BLOCK_BYTES).count(b"\n") for _ in range(_BLOCKS))
    return lines / max(1, raw.tell())


def _spread(size: int) -> list[int]:
    step = (size - _BLOCK_BYTES) / (_BLOCKS - 1)
    return [int(number * step) for number in range(_BLOCKS)]


def _size(file: Any) -> int:
    return int(getattr(file, "size", None) or file.seek(0, 2))
