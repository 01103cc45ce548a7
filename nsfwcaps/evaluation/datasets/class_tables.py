"""Tables with an image and a label per row: Parquet, Hugging Face folders, CSV, JSONL."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from nsfwcaps.captions.options import EVERYTHING
from nsfwcaps.captions.readers import READERS, ending_of, read_pool
from nsfwcaps.captions.rows import BadRow, Sample
from nsfwcaps.captions.sources import expand
from nsfwcaps.captions.tables.column_names import spelt
from nsfwcaps.captions.tables.values import text_cell
from nsfwcaps.enums import Split
from nsfwcaps.errors import InputError
from nsfwcaps.evaluation.datasets.class_names import Label
from nsfwcaps.evaluation.datasets.image_sets import IMAGE_COLUMNS
from nsfwcaps.evaluation.datasets.pictures import MISSING, PictureCells, PictureSet
from nsfwcaps.evaluation.datasets.splits import SplitRows, tells_splits

_LABELS = ("label", "labels", "fine_label", "cls", "class", "target", "category")


def tables(url: str, split: Split | None) -> list[str]:
    """List the files of the set, of the split if file names tell splits apart.

    Raises:
        InputError: the set has none, or none of the split.
    """
    urls = expand(url, EVERYTHING)
    if not all(ending_of(item) in READERS for item in urls):
        raise InputError(
            f"{url}: expected a folder with one image folder per class, a webdataset (.tar), or a "
            "table with images and labels"
        )
    return SplitRows(url, split).files(urls)


def label_names(urls: Sequence[str]) -> list[str] | None:
    """Read the class names that Hugging Face's `datasets` stores in Parquet files, or None."""
    for url in urls:
        if ending_of(url) != ".parquet":
            continue
        try:
            with fsspec.open(url, "rb") as file:
                metadata = pq.ParquetFile(file).schema_arrow.metadata or {}
            features = json.loads(metadata[b"huggingface"])["info"]["features"]
            found = next(features[name]["names"] for name in _LABELS if name in features)
            return [str(name) for name in found]
        except (OSError, pa.ArrowException, LookupError, ValueError, TypeError, StopIteration):
            continue
    return None


def table_rows(
    urls: Sequence[str],
    split: Split | None,
    where: str,
    pictures: PictureSet,
    left_out: Counter[str],
) -> Iterator[tuple[int, Label | None]]:
    """Yield the row and the label of each image.

    Raises:
        InputError: a file has no image or label column, or no row is of the split.
    """
    rows = SplitRows(where, split)
    read, has_split = 0, False
    for url in urls:
        columns: dict[str, str] = {}
        cells = PictureCells(url)
        for number, row in enumerate(read_pool(url, _chooser(url, columns))):
            if isinstance(row, BadRow):
                left_out[row.reason] += 1
                continue
            if "split" in columns:
                has_split = True
                if not rows.takes(text_cell(row.get(columns["split"]))):
                    continue
            read += 1
            image = columns["image"]
            found = cells.add(pictures, row.get(image), image, number)
            if found is None:
                left_out["image_not_named"] += 1
            yield MISSING if found is None else found, _label(row.get(columns["label"]))
    rows.check(read, known=has_split or tells_splits(urls, where))


def _chooser(url: str, columns: dict[str, str]) -> Any:
    def choose(sample: Sample) -> Sequence[str]:
        for what, names in (("image", IMAGE_COLUMNS), ("label", _LABELS)):
            found = spelt(sample.names, *names)
            if found is None:
                raise InputError(f"{url}: no {what} column; expected one named {', '.join(names)}")
            columns[what] = found
        if split := spelt(sample.names, "split"):
            columns["split"] = split
        return list(dict.fromkeys(columns.values()))

    return choose


def _label(cell: Any) -> Label | None:
    value = text_cell(cell)
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int):
        return value if value >= 0 else None
    text = str(value).strip()
    return int(text) if text.isdecimal() else text or None
