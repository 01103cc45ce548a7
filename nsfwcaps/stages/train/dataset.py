"""train, the data set: its files, their columns, and its pairs without the pictures."""

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
    """Columns of an item: of one side of a pair, or of its partner."""
    return [f"{side}_{name}" for name in ("id", "caption", "image_sha256", "image")]


def data_files(data: Path) -> list[Path]:
    """Parquet files of a published data set.

    Raises:
        ConfigError: no data set is named.
        InputError: it has no files, or they are damaged or lack a column.
    """
    if data == Path():
        raise ConfigError("train.data: no data set is named; give --data FOLDER, as RUN/dataset")
    files = sorted((data / "data").glob("*.parquet"))
    if not files:
        raise InputError(
            f"train.data: no data set is in {data} (data/*.parquet); 'nsfwcaps build' makes one"
        )
    for path in files:
        with reading(path):
            names = pq.read_schema(path).names
        lacking = [name for side in SIDES for name in columns_of(side) if name not in names]
        if lacking:
            raise InputError(
                f"train.data: {path} has no column {', '.join(lacking)}; training needs captions "
                "and images: publish pools with images, with --carry-images"
            )
    return files


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Say of a data set's file that cannot be read what mends it.

    Raises:
        InputError: it is damaged.
    """
    try:
        yield
    except (pa.ArrowException, OSError):
        raise InputError(
            f"train.data: {path} is damaged; publish the data set again, or copy it anew"
        ) from None


def read_pairs(path: Path) -> pa.Table:
    """Pairs of a file without their pictures; the partners are null where it has none."""
    with reading(path):
        names = pq.read_schema(path).names
        known = [name for name in (*_COLUMNS, *_PARTNER_COLUMNS) if name in names]
        table = pq.read_table(path, columns=known)
    for name in _PARTNER_COLUMNS:
        if name not in names:
            table = table.append_column(name, pa.nulls(table.num_rows, pa.string()))
    return table.select([*_COLUMNS, *_PARTNER_COLUMNS])
