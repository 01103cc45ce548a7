"""Parquet and Arrow files."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq

from nsfwcaps.captions.options import ReadOptions
from nsfwcaps.captions.rows import PEEK_ROWS, BadRow, Choose, Row, Sample, unique
from nsfwcaps.captions.tables.class_labels import named_classes

BATCH_ROWS = 1024
_SKIP_ROWS = 16384
_BATCH_BYTES = 16 * 2**20
_BUFFER_BYTES = 2**20


def read_parquet(
    file: Any, url: str, choose: Choose, options: ReadOptions
) -> Iterator[Row | BadRow]:
    """Read a Parquet file in batches of bounded size, only the chosen columns.

    Without a buffer, Arrow would read the whole column chunk of a row group: gigabytes of images.
    """
    source = pa.OSFile(file.path) if is_local(file) else file
    table = _opened(source)
    names = unique(table.schema_arrow.names)
    binary = _binary(names, table.schema_arrow)
    plain = [name for name in names if name not in binary]
    first = next(_parquet_batches(table, names, plain, PEEK_ROWS), None) if plain else None
    wanted = list(choose(Sample(names=names, rows=first or [], binary=binary)))
    rows = _batch_rows(table, {name.rsplit(".", 1)[0] for name in wanted} | {*wanted})
    if rows < BATCH_ROWS:
        # Pages of images are hundreds of MB. The system's allocator returns them at once;
        # that of Arrow would keep several.
        pa.set_memory_pool(pa.system_memory_pool())
        source.seek(0)
        table = _opened(source)
    own_pool = pa.default_memory_pool()
    for batch in _parquet_batches(table, names, wanted, rows):
        yield from batch
        if rows < BATCH_ROWS:
            own_pool.release_unused()


def _opened(source: Any) -> pq.ParquetFile:
    return pq.ParquetFile(source, buffer_size=_BUFFER_BYTES, pre_buffer=False)


def _parquet_batches(
    table: pq.ParquetFile, names: Sequence[str], wanted: Sequence[str], rows: int
) -> Iterator[list[Row]]:
    """Batches of rows; of columns with one name, only the wanted ones."""
    own = dict(zip(names, table.schema_arrow.names, strict=True))
    read = list(dict.fromkeys(own[name] for name in wanted))
    # One group at a time: else the last page of one stays until the first of the next is there.
    for group in range(table.num_row_groups):
        for batch in table.iter_batches(batch_size=rows, columns=read, row_groups=[group]):
            batch = named_classes(batch, table.schema_arrow)
            numbered = batch.rename_columns(unique(batch.schema.names))
            yield list(_rows([numbered.select(list(wanted))]))


def _batch_rows(table: pq.ParquetFile, wanted: set[str]) -> int:
    """Rows whose wanted cells fit into the bytes of a batch, by the largest row group."""
    most = 1
    for number in range(table.metadata.num_row_groups):
        group = table.metadata.row_group(number)
        columns = (group.column(at) for at in range(group.num_columns))
        size = sum(
            column.total_uncompressed_size
            for column in columns
            if column.path_in_schema.split(".")[0] in wanted or column.path_in_schema in wanted
        )
        most = max(most, size // max(1, group.num_rows))
    return max(1, min(BATCH_ROWS, _BATCH_BYTES // most))


def read_arrow(file: Any, url: str, choose: Choose, options: ReadOptions) -> Iterator[Row | BadRow]:
    """Read an Arrow file, or the stream format, as `datasets` saves."""
    source: Any = file
    if is_local(file):
        # Mapped, a batch of images is no copy in memory.
        source = pa.memory_map(file.path)
    schema, batches = arrow_batches(source)
    names = unique(schema.names)
    binary = _binary(names, schema)
    plain = [name for name in names if name not in binary]
    batches = (named_classes(batch, schema).rename_columns(names) for batch in batches)
    first = next(batches, None)
    sample = [] if first is None else list(_rows([first.slice(0, PEEK_ROWS).select(plain)]))
    wanted = list(choose(Sample(names=names, rows=sample, binary=binary)))
    whole = batches if first is None else itertools.chain([first], batches)
    for part in _slices(batch.select(wanted) for batch in whole):
        yield from _rows([part])


def parquet_excerpt(file: Any, wanted: Sequence[str], start: int, rows: int) -> Iterator[Row]:
    """Rows of a Parquet file from one on, without its columns of bytes."""
    table = pq.ParquetFile(pa.OSFile(file.path) if is_local(file) else file, pre_buffer=False)
    names = unique(table.schema_arrow.names)
    plain = [name for name in wanted if name not in _binary(names, table.schema_arrow)]
    own = dict(zip(names, table.schema_arrow.names, strict=True))
    groups, first = [], 0
    for number in range(table.num_row_groups):
        size = table.metadata.row_group(number).num_rows
        if first + size <= start:
            start -= size
        elif first < start + rows:
            groups.append(number)
            first += size
    columns = list(dict.fromkeys(own[name] for name in plain))
    batches = table.iter_batches(batch_size=_SKIP_ROWS, row_groups=groups, columns=columns)
    numbered = (batch.rename_columns(unique(batch.schema.names)).select(plain) for batch in batches)
    return _rows(_window(numbered, start, rows))


def arrow_excerpt(file: Any, wanted: Sequence[str], start: int, rows: int) -> Iterator[Row]:
    """Rows of a local Arrow file from one on, without its columns of bytes."""
    schema, batches = arrow_batches(pa.memory_map(file.path))
    names = unique(schema.names)
    plain = [name for name in wanted if name not in _binary(names, schema)]
    return _rows(_window((b.rename_columns(names).select(plain) for b in batches), start, rows))


def _window(batches: Iterable[pa.RecordBatch], start: int, rows: int) -> Iterator[pa.RecordBatch]:
    """The parts of batches that hold some of their rows."""
    for batch in batches:
        if start < batch.num_rows:
            part = batch.slice(start, rows)
            rows -= part.num_rows
            yield part
            if rows <= 0:
                return
        start = max(0, start - batch.num_rows)


def arrow_batches(source: Any) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """Schema and batches of an Arrow file or stream."""
    magic = source.read(6)
    source.seek(0)
    if magic == b"ARROW1":
        reader = pa.ipc.open_file(source)
        return reader.schema, (reader.get_batch(i) for i in range(reader.num_record_batches))
    stream = pa.ipc.open_stream(source)
    return stream.schema, iter(stream)


def is_local(file: Any) -> bool:
    """Whether Arrow can read the file by itself: a plain one, on this machine."""
    return isinstance(file, fsspec.implementations.local.LocalFileOpener)


def _slices(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        rows = max(1, batch.num_rows * _BATCH_BYTES // max(1, batch.nbytes))
        rows = min(rows, BATCH_ROWS)
        yield from (batch.slice(start, rows) for start in range(0, batch.num_rows, rows))


def _rows(batches: Iterable[pa.RecordBatch]) -> Iterator[Row]:
    for batch in batches:
        columns = [column.cast(_undecoded(column.type)) for column in batch.columns]
        if columns:
            yield from pa.RecordBatch.from_arrays(columns, names=batch.schema.names).to_pylist()


def _undecoded(kind: pa.DataType) -> pa.DataType:
    """Replace string types by binary: one invalid byte must cost one row, not the file."""
    if pa.types.is_dictionary(kind):
        return _undecoded(kind.value_type)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return pa.large_binary()
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return pa.large_list(_undecoded(kind.value_type))
    return kind


def _binary(names: Sequence[str], columns: pa.Schema) -> frozenset[str]:
    found = (name for name, f in zip(names, columns, strict=True) if _holds_bytes(f.type))
    return frozenset(found)


def _holds_bytes(kind: pa.DataType) -> bool:
    """Whether cells of a type may be images, which a sample leaves out."""
    if pa.types.is_struct(kind):
        return any(_holds_bytes(kind.field(at).type) for at in range(kind.num_fields))
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return _holds_bytes(kind.value_type)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))
