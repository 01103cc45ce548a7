"""open_clip's CSV: a table of paths and captions, separated by tabs, and the images.

    train.tsv                 filepath, title: the names that its options have by default
    images/ab/ab….jpg         each distinct image once, under the digest of its bytes

Paths are absolute, as open_clip resolves others in the folder that it is started in
(`open_clip_train/data.py`, CsvDataset).
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from nsfwcaps.exports.items import captioned_images
from nsfwcaps.exports.picture_files import picture_file, saved
from nsfwcaps.exports.request import ExportRequest, ExportTally

# What pandas reads as missing, by default.
_NULLS = frozenset(
    [
        *("#N/A", "#N/A N/A", "#NA", "<NA>", "N/A", "NA", "n/a", "NULL", "null", "None"),
        *("NaN", "nan", "-NaN", "-nan", "1.#IND", "-1.#IND", "1.#QNAN", "-1.#QNAN"),
    ]
)
_BOOLEANS = frozenset({"true", "false"})
_SPACE = "\u00a0"
"""Keeps pandas from reading a word as a value. Tokenizers of open_clip strip it."""


def write(request: ExportRequest, folder: Path, tally: ExportTally) -> dict[str, Any]:
    """Write a table for each split, and the images of all."""
    for split in request.splits:
        with (folder / f"{split}.tsv").open("w", encoding="utf-8", newline="") as file:
            file.write("filepath\ttitle\n")
            table = csv.writer(
                file, delimiter="\t", lineterminator="\n", quoting=csv.QUOTE_ALL, strict=True
            )
            for item in captioned_images(request, split, tally, with_pictures=True):
                picture = picture_file(item.row, item.side)
                if isinstance(picture, str):
                    tally.left_out[picture] += 1
                    continue
                name = saved(picture, folder, "images", tally)
                table.writerow([str(request.out / name), as_text(item.caption)])
                tally.wrote(split)
    return {}


def as_text(caption: str) -> str:
    r"""Return a caption such that pandas reads it as text, with a space at its end if needed.

    >>> as_text("a dog"), as_text("None"), as_text("007")
    ('a dog', 'None\xa0', '007\xa0')
    """
    if caption in _NULLS or caption.casefold() in _BOOLEANS or _is_number(caption):
        return caption + _SPACE
    return caption


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
