"""Tables of vectors on disk, as the embed stage writes them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nsfwcaps import schema
from nsfwcaps.tables import ARROW, PARQUET, arrow_bytes
from nsfwcaps.vectors.columns import ENCODER_KEY
from nsfwcaps.vectors.source import Half
from nsfwcaps.vectors.store import VectorTable

MakeTable = Callable[..., VectorTable]


@pytest.fixture(scope="session")
def make_table(tmp_path_factory: pytest.TempPathFactory) -> MakeTable:
    """Write rows `[n, d]` to files of the given sizes (one file where none are given).

    Layouts alternate between the files, as in a run that a new version went on with.
    """

    def make(
        rows: Half,
        sizes: Sequence[int] | None = None,
        encoders: Sequence[str] = ("one",),
        endings: Sequence[str] = (ARROW, PARQUET),
    ) -> VectorTable:
        folder = tmp_path_factory.mktemp("table")
        edges = np.cumsum([0, *(sizes if sizes is not None else [len(rows)])])
        assert edges[-1] == len(rows), "sizes must add up to the rows"
        paths = []
        for number, (first, last) in enumerate(itertools.pairwise(edges)):
            path = folder / f"part-{number:03d}{endings[number % len(endings)]}"
            encoder = encoders[number % len(encoders)]
            write_rows(path, rows[first:last], start=int(first), encoder=encoder)
            paths.append(path)
        return VectorTable(paths)

    return make


def write_rows(path: Path, rows: Half, *, start: int, encoder: str) -> None:
    of = schema.vectors(rows.shape[1], "id")
    vectors = pa.FixedSizeListArray.from_arrays(
        pa.array(np.ascontiguousarray(rows).ravel()), type=of.field("vector").type
    )
    ids = pa.array([f"{start + row:06d}" for row in range(len(rows))])
    table = pa.Table.from_arrays([ids, vectors], schema=of)
    table = table.replace_schema_metadata({ENCODER_KEY: encoder.encode()})
    if path.suffix == ARROW:
        path.write_bytes(arrow_bytes(table))
    else:
        pq.write_table(table, path, row_group_size=7)


@pytest.fixture(scope="session")
def unit_rows() -> Callable[..., Half]:
    """Random unit rows `[n, d]` in half precision."""

    def make(rows: int, width: int, seed: int = 0) -> Half:
        values: npt.NDArray[np.float64] = np.random.default_rng(seed).normal(size=(rows, width))
        return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(np.float16)

    return make
