"""A published data set written by hand: mild pairs of several ranks, with and without images."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from nsfwcaps import schema


def picture(shade: int, kind: str = "PNG", size: int = 8) -> bytes:
    """Return a file of a plain picture; shades differ."""
    file = io.BytesIO()
    Image.new("RGB", (size, size), (shade % 256, 40, 90)).save(file, kind)
    return file.getvalue()


def row(unsafe: int, safe: int, rank: int = 1, **changes: Any) -> dict[str, Any]:
    """Return a pair of the unsafe caption and the safe caption of these numbers."""
    images = {
        side: picture(number)
        for side, number in (("unsafe", 100 + unsafe), ("safe", safe))
        if changes.get(f"{side}_image", ...) is ...
    }
    values: dict[str, Any] = {
        "pair_id": f"{unsafe:016d}{safe:016d}",
        "unsafe_id": f"{unsafe:032d}",
        "safe_id": f"{1000 + safe:032d}",
        "unsafe_caption": f"a broken window {unsafe}",
        "safe_caption": f"a clean window {safe}",
        "category": "shocking",
        "rank": rank,
        "stage": "easy",
    }
    for side, data in images.items():
        values[f"{side}_image"] = {"bytes": data, "path": None}
        values[f"{side}_image_sha256"] = hashlib.sha256(data).hexdigest()
        values[f"{side}_image_path"] = f"{side}/{values[f'{side}_id']}.png"
    return values | changes


def write_release(
    folder: Path,
    splits: Mapping[str, Sequence[Mapping[str, Any]]],
    *,
    with_pictures: bool = True,
    rows: int = 1000,
) -> Path:
    """Write rows by split as files of at most `rows`; return the folder of the data set."""
    columns = schema.published(with_pictures=with_pictures)
    (folder / "data").mkdir(parents=True)
    for split, pairs in splits.items():
        parts = [pairs[start : start + rows] for start in range(0, len(pairs), rows)] or [[]]
        for number, part in enumerate(parts):
            values = [{**dict.fromkeys(columns.names), **pair, "split": split} for pair in part]
            table = pa.Table.from_pylist(values, schema=columns)
            name = f"{split}-{number:05d}-of-{len(parts):05d}.parquet"
            pq.write_table(table, folder / "data" / name, row_group_size=2)
    return folder
