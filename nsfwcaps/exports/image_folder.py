"""The `imagefolder` of datasets: images, and a table that names both images of each pair.

    train/metadata.parquet     unsafe_file_name, safe_file_name, both captions, other columns
    train/images/ab/ab….jpg    each distinct image once, under the digest of its bytes

`load_dataset("imagefolder", data_dir=…)` makes the images `unsafe` and `safe` of the first two.
A pair with one image has null for the other.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from nsfwcaps.exports.picture_files import MISSING, picture_file, saved
from nsfwcaps.exports.request import ExportRequest, ExportTally
from nsfwcaps.exports.streams import parquet_rows

_SIDES = ("unsafe", "safe")
_PLAIN = ("pair_id", "unsafe_caption", "safe_caption")


def write(request: ExportRequest, folder: Path, tally: ExportTally) -> dict[str, Any]:
    """Write the table of each split with its images."""
    names = dict.fromkeys([*_PLAIN, *request.columns])
    files = [(f"{side}_file_name", pa.string()) for side in _SIDES]
    schema = pa.schema([*files, *((name, request.pairs.types[name]) for name in names)])
    pictures = [f"{side}_{name}" for side in _SIDES for name in ("image", "image_path")]
    for split in request.splits:
        place = folder / split
        with parquet_rows(place / "metadata.parquet", schema) as add:
            for row in request.pairs.rows(split, [*names, *pictures]):
                tally.advance(1)
                found = _pictures(row, place, tally)
                if any(found.values()):
                    add({**{name: row[name] for name in names}, **found})
                    tally.wrote(split)
    return {}


def _pictures(row: Mapping[str, Any], place: Path, tally: ExportTally) -> dict[str, str | None]:
    """Write the images of a pair; return their names by column, and count what is lost."""
    found: dict[str, str | None] = {}
    for side in _SIDES:
        picture = picture_file(row, side)
        found[f"{side}_file_name"] = None
        if not isinstance(picture, str):
            found[f"{side}_file_name"] = saved(picture, place, "images", tally)
        elif picture != MISSING:
            tally.left_out[picture] += 1
    if not any(found.values()):
        tally.left_out[MISSING] += 1
    return found
