"""Tables in files: deterministic bytes, streaming, rechunking.

Tables of vectors are Arrow files (uncompressed IPC), which are mapped into memory and used as they
are. All others are Parquet files. The ending of a file's name tells the reader which it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nsfwcaps.errors import ArtifactError

if TYPE_CHECKING:  # the command line reads records and must start fast; pyarrow imports slowly
    import pyarrow as pa

ARROW, PARQUET = ".arrow", ".parquet"
"""Endings of file names."""
_ROW_GROUP_BYTES = 8 * 2**20
_ROW_GROUP_ROWS = 8192
_PUBLISHED_GROUP_BYTES = 32 * 2**20
_PUBLISHED_GROUP_ROWS = 131_072
_CHUNKS = {"min_chunk_size": 2**18, "max_chunk_size": 2**20, "norm_level": 0}
_CHUNKS_KEY = "content_defined_chunking"
"""Entry by which the `ParquetWriter` of `datasets` marks such a file."""


def ending(table: pa.Table) -> str:
    """Return the ending of a table's file: that of Arrow for rows of half-precision vectors."""
    import pyarrow as pa

    def holds_vectors(kind: pa.DataType) -> bool:
        return bool(pa.types.is_fixed_size_list(kind) and pa.types.is_float16(kind.value_type))

    return ARROW if any(holds_vectors(field.type) for field in table.schema) else PARQUET


def arrow_bytes(table: pa.Table) -> memoryview:
    """Serialise a table as an Arrow file of one batch; equal tables give equal bytes."""
    import pyarrow as pa

    columns = [_plain(column.combine_chunks()) for column in table.columns]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as file:
        file.write_batch(pa.record_batch(columns, schema=table.schema))
    return memoryview(sink.getvalue())


def _plain(column: pa.Array) -> pa.Array:
    """Rebuild a column with nulls, since the bytes beneath a null may be anything."""
    import pyarrow as pa

    return pa.array(column.to_pylist(), column.type) if column.null_count else column


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
    rows = _group_rows(table, _ROW_GROUP_BYTES, _ROW_GROUP_ROWS)
    pq.write_table(table, sink, row_group_size=rows, **options)
    return memoryview(sink.getvalue())


def published_bytes(table: pa.Table) -> memoryview:
    """Serialise a table for others to load; equal tables give equal bytes.

    With a page index, so that a viewer reads some rows without the rest of their row group, and
    with pages cut by content (content-defined chunking), so that a store which keeps equal chunks
    once needs few new ones for a changed table. A change moves all ends of row groups behind it:
    they are larger than those of a stage, so that there are few (`benchmarks/published.py`), and
    far below the 300 MB that the Hub's viewer scans.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(
        sink,
        table.schema,
        compression="zstd",
        write_page_index=True,
        use_content_defined_chunking=_CHUNKS,
    ) as file:
        rows = _group_rows(table, _PUBLISHED_GROUP_BYTES, _PUBLISHED_GROUP_ROWS)
        file.write_table(table, row_group_size=rows)
        file.add_key_value_metadata({_CHUNKS_KEY: json.dumps(_CHUNKS)})
    return memoryview(sink.getvalue())


def _group_rows(table: pa.Table, most_bytes: int, most_rows: int) -> int:
    row_bytes = max(1, int(table.nbytes) // max(1, int(table.num_rows)))
    return min(most_rows, max(1, most_bytes // row_bytes))


def map_table(path: Path) -> pa.Table:
    """Map an Arrow file into memory: columns are views of it, read from the disk when used.

    Raises:
        ArtifactError: the file is missing or damaged.
    """
    import pyarrow as pa

    try:
        # Closing frees the file's handle. The mapping lives as long as a view of it.
        with pa.memory_map(str(path)) as source:
            file = pa.ipc.open_file(source)
            batches = [file.get_batch(number) for number in range(file.num_record_batches)]
            table = pa.Table.from_batches(batches, file.schema)
        table.validate(full=True)  # or a wrong offset in a text column would crash its reader
    except (OSError, ValueError, pa.ArrowException):  # ValueError: a name that is not UTF-8
        raise damaged(path) from None
    return table


def read_tables(paths: Sequence[Path], columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
    """Yield Arrow and Parquet files as tables, one at a time.

    Raises:
        ArtifactError: a file is missing or unreadable.
    """
    for path in paths:
        yield _mapped(path, columns) if path.suffix == ARROW else _decoded(path, columns)


def _mapped(path: Path, columns: Sequence[str] | None) -> pa.Table:
    table = map_table(path)
    try:
        return table if columns is None else table.select(list(columns))
    except KeyError:
        raise damaged(path) from None


def _decoded(path: Path, columns: Sequence[str] | None) -> pa.Table:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.read_table(path, columns=columns, partitioning=None)
    except (OSError, pa.ArrowException):
        raise damaged(path) from None


def column_names(path: Path) -> list[str]:
    """Return the column names of an Arrow or Parquet file.

    Raises:
        ArtifactError: the file is missing or unreadable.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    if path.suffix == ARROW:
        return list(map_table(path).column_names)
    try:
        names: list[str] = pq.read_schema(path).names
    except (OSError, pa.ArrowException):
        raise damaged(path) from None
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


def damaged(path: Path) -> ArtifactError:
    """Return the error of a missing or unreadable file; for a stage's, with what rebuilds it."""
    folder = path.parent
    again = "the same command"
    if (folder / "stage.json").is_file():  # other commands read it too, which do not rebuild it
        again = f"the command that made {folder.parent}, with its options,"
    return ArtifactError(f"{path} is missing or damaged; run {again} again to rebuild it")
