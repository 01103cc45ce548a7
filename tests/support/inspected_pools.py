"""Pools to inspect, one of each format."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

CAPTIONS = ("A vase on a table.", "A man at a bus stop.", "A cup beside a lamp.")


def csv_file(path: Path, captions: Sequence[str] = CAPTIONS) -> Path:
    """A CSV file with a second column."""
    path.write_text("caption,url\n" + "".join(f'"{item}",x\n' for item in captions))
    return path


def jsonl_file(path: Path, captions: Sequence[str] = CAPTIONS) -> Path:
    """JSON lines."""
    path.write_text("".join(json.dumps({"caption": item}) + "\n" for item in captions))
    return path


def parquet_file(path: Path, captions: Sequence[str] = CAPTIONS, group: int = 1000) -> Path:
    """A Parquet file with a second column."""
    table = pa.table({"number": range(len(captions)), "caption": list(captions)})
    pq.write_table(table, path, row_group_size=group)
    return path


def arrow_file(path: Path, captions: Sequence[str] = CAPTIONS) -> Path:
    """The stream format, as `datasets` saves it."""
    table = pa.table({"caption": list(captions)})
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table, max_chunksize=700)
    return path


def png(width: int, height: int) -> bytes:
    """A picture of one colour; its size makes it differ from others."""
    file = io.BytesIO()
    Image.new("RGB", (width, height), (90, 90, 90)).save(file, "PNG")
    return file.getvalue()


def sidecar_folder(path: Path, captions: Sequence[str] = CAPTIONS) -> Path:
    """A folder of images with captions beside them."""
    path.mkdir()
    for number, caption in enumerate(captions):
        (path / f"{number}.png").write_bytes(png(8 + number, 6))
        (path / f"{number}.txt").write_text(caption)
    return path


def tar_file(path: Path, captions: Sequence[str] = CAPTIONS) -> Path:
    """A tar of images and captions."""
    with tarfile.open(path, "w") as tar:
        for number, caption in enumerate(captions):
            parts = {"png": png(8 + number, 6), "txt": caption.encode()}
            for ending, data in parts.items():
                header = tarfile.TarInfo(f"{number}.{ending}")
                header.size = len(data)
                tar.addfile(header, io.BytesIO(data))
    return path


def numbered(count: int) -> list[str]:
    """Captions of one length, that differ by a number."""
    return [f"A vase on table {number:07d}." for number in range(count)]
