"""Files of vectors: Arrow files are mapped into memory, Parquet files are decoded at each use."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from nsfwcaps import tables
from nsfwcaps.vectors.columns import from_column, whole
from nsfwcaps.vectors.source import Half


class VectorFile(Protocol):
    """One file of vectors `[n, d]` with other columns `[n]`."""

    rows: int
    """n"""
    schema: pa.Schema

    def vectors(self) -> Half:
        """Return all vectors."""
        ...

    def column(self, name: str) -> pa.Array:
        """Return another column."""
        ...


class MappedFile(VectorFile):
    """Views of an Arrow file: the disk is read when a row is used, and nothing is copied."""

    def __init__(self, path: Path) -> None:
        self._table = tables.map_table(path)
        self.rows, self.schema = self._table.num_rows, self._table.schema

    def vectors(self) -> Half:
        """Return a view of all vectors."""
        return from_column(self._table["vector"])

    def column(self, name: str) -> pa.Array:
        """Return a view of another column."""
        return whole(self._table[name])


class DecodedFile(VectorFile):
    """A Parquet file, as earlier versions wrote them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        file = self._open()
        self.rows, self.schema = file.metadata.num_rows, file.schema_arrow

    def vectors(self) -> Half:
        """Decode all vectors."""
        return from_column(self.column("vector"))

    def column(self, name: str) -> pa.Array:
        """Decode a column."""
        try:
            return self._open().read(columns=[name])[name].combine_chunks()
        except (OSError, pa.ArrowException):
            raise tables.damaged(self._path) from None

    def _open(self) -> pq.ParquetFile:
        try:
            return pq.ParquetFile(self._path, memory_map=True)
        except (OSError, pa.ArrowException):
            raise tables.damaged(self._path) from None


def open_file(path: Path) -> VectorFile:
    """Open a file of vectors by the ending of its name.

    Raises:
        ArtifactError: the file is missing or damaged.
    """
    file = MappedFile(path) if path.suffix == tables.ARROW else DecodedFile(path)
    if file.schema.names.count("vector") != 1 or not _is_vectors(file.schema.field("vector").type):
        raise tables.damaged(path)
    return file


def _is_vectors(kind: pa.DataType) -> bool:
    return bool(pa.types.is_fixed_size_list(kind) and kind.list_size > 0)
