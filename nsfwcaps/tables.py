"""Parquet tables: deterministic bytes, streaming, rechunking."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nsfwcaps.errors import ArtifactError

if TYPE_CHECKING:  # the command line reads records and must start fast; pyarrow imports slowly
    import pyarrow as pa

_ROW_GROUP_BYTES = 8 * 2**20


def parquet_bytes(table: pa.Table) -> memoryview:
    """Serialise a table; equal tables give equal bytes."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    has_vectors = any(pa.types.is_fixed_size_list(field.type) for field in table.schema)
    # Vectors do not compress and have no repeats; text does both.
    options: dict[str, Any] = (
        {"compression": "none", "use_dictionary": False} if has_vectors else {"compression": "zstd"}
    )
    row_bytes = max(1, table.nbytes // max(1, table.num_rows))
    rows = min(8192, max(1, _ROW_GROUP_BYTES // row_bytes))
    pq.write_table(table, sink, row_group_size=rows, **options)
    return memoryview(sink.getvalue())


def read_tables(paths: Sequence[Path], columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """Yield Parquet files as tables, one at a time.

    Raises:
        ArtifactError: a file is missing or unreadable.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    for path in paths:
        try:
            yield pq.read_table(path, columns=columns, partitioning=None)
        except (OSError, pa.ArrowException):
            raise _damaged(path) from None


def column_names(path: Path) -> list[str]:
    """Return the column names of a Parquet file.

    Raises:
        ArtifactError: the file is missing or unreadable.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        names: list[str] = pq.read_schema(path).names
    except (OSError, pa.ArrowException):
        raise _damaged(path) from None
    return names


def rechunk(tables: Iterator[pa.Table], rows: int) -> Iterator[pa.Table]:
    """Regroup a stream of tables into tables of `rows` rows, except for the last."""
    import pyarrow as pa

    held: list[pa.Table] = []
    count = 0
    for table in tables:
        while table.num_rows:
            part = table.slice(0, rows - count)
            table = table.slice(part.num_rows)
            held.append(part)
            count += part.num_rows
            if count == rows:
                yield pa.concat_tables(held)
                held, count = [], 0
    if held:
        yield pa.concat_tables(held)


def _damaged(path: Path) -> ArtifactError:
    return ArtifactError(f"{path} is missing or damaged; run the same command again to rebuild it")
