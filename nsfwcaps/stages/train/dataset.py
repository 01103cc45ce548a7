"""train, data set: its files, their columns, and its pairs without pictures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from nsfwcaps.errors import ConfigError, InputError

_COLUMNS = [
    *("pair_id", "stage", "split"),
    *("unsafe_id", "unsafe_caption", "unsafe_image_sha256"),
    *("safe_id", "safe_caption", "safe_image_sha256"),
]
_PARTNER_COLUMNS = ["partner_id", "partner_caption", "partner_image_sha256"]

SIDES = ("unsafe", "safe")
PARTNER = "partner"


def columns_of(side: str) -> list[str]:
    """Return the columns of an item: one side of a pair, or its partner."""
    return [f"{side}_{name}" for name in ("id", "caption", "image_sha256", "image")]


def data_files(data: Path) -> list[Path]:
    """Return the Parquet files of a published data set.

    Raises:
        ConfigError: no data set is configured.
        InputError: there are no files, or a file is damaged or lacks a column.
    """
    if data == Path():
        raise ConfigError("train.data: no data set; add --data FOLDER, such as RUN/dataset")
    files = sorted((data / "data").glob("*.parquet"))
    if not files:
        raise InputError(
            f"train.data: no data set in {data} (expected data/*.parquet); create one with "
            "'nsfwcaps build'"
        )
    for path in files:
        with reading(path):
            names = pq.read_schema(path).names
        lacking = [name for side in SIDES for name in columns_of(side) if name not in names]
        if lacking:
            raise InputError(
                f"train.data: {path} has no column {', '.join(lacking)}; training needs captions "
                "and images: use pools with images and publish with --carry-images"
            )
    return files


def safe_files(data: Path) -> list[Path]:
    """Return the files of a data set's safe items; none if it has no such folder.

    Raises:
        InputError: a file is damaged or lacks a column.
    """
    files = sorted((data / "safe").glob("*.parquet"))
    for path in files:
        with reading(path):
            names = pq.read_schema(path).names
        if lacking := [name for name in columns_of("safe") if name not in names]:
            raise InputError(
                f"train.data: {path} has no column {', '.join(lacking)}; publish the data set again"
            )
    return files


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Convert read errors of a data file to InputError.

    Raises:
        InputError: the file is damaged.
    """
    try:
        yield
    except (pa.ArrowException, OSError):
        raise InputError(
            f"train.data: {path} is damaged; publish or copy the data set again"
        ) from None


def read_pairs(path: Path) -> pa.Table:
    """Read the pairs of a file without pictures; partner columns are null if absent."""
    with reading(path):
        names = pq.read_schema(path).names
        known = [name for name in (*_COLUMNS, *_PARTNER_COLUMNS) if name in names]
        table = pq.read_table(path, columns=known)
    for name in _PARTNER_COLUMNS:
        if name not in names:
            table = table.append_column(name, pa.nulls(table.num_rows, pa.string()))
    return table.select([*_COLUMNS, *_PARTNER_COLUMNS])
