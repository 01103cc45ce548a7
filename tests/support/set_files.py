"""Small data sets in every layout; pictures are plain colours."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

COLOURS = ("red", "green", "blue", "yellow", "white", "black", "orange", "purple")


def png(number: int) -> bytes:
    """A picture that differs from those of other numbers."""
    file = io.BytesIO()
    picture = Image.new("RGB", (8, 8), COLOURS[number % len(COLOURS)])
    picture.putpixel((0, 0), (number % 256, number // 256, 0))
    picture.save(file, "PNG")
    return file.getvalue()


def write(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def write_table(path: Path, rows: Sequence[Mapping[str, Any]], **metadata: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(list(rows))
    if metadata:
        table = table.replace_schema_metadata(metadata)
    pq.write_table(table, path, row_group_size=2)
    return path


def write_tar(path: Path, files: Mapping[str, bytes], mode: str = "w") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path
