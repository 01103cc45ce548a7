"""Files written a row at a time: Parquet in row groups, JSON lines, tar files in shards."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import pyarrow as pa
import pyarrow.parquet as pq

_GROUP_ROWS = 8192


class AddRow(Protocol):
    """Takes a row."""

    def __call__(self, row: Mapping[str, Any]) -> None:
        """Write it."""


@contextmanager
def parquet_rows(path: Path, schema: pa.Schema) -> Iterator[AddRow]:
    """Yield a function that writes a row, by column, to a Parquet file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        held: list[Mapping[str, Any]] = []

        def flush() -> None:
            if held:
                writer.write_table(pa.Table.from_pylist(held, schema=schema))
                held.clear()

        def add(row: Mapping[str, Any]) -> None:
            held.append(row)
            if len(held) == _GROUP_ROWS:
                flush()

        yield add
        flush()


@contextmanager
def json_lines(path: Path) -> Iterator[AddRow]:
    """Yield a function that writes an object as a line of JSON."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="\n") as file:

        def add(row: Mapping[str, Any]) -> None:
            file.write(json.dumps(row, ensure_ascii=False) + "\n")

        yield add


class TarShards:
    """Samples in numbered tar files of `rows` samples each, equal for equal samples."""

    def __init__(self, folder: Path, rows: int, name: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder, self._rows, self._name = folder, rows, name
        self._tar: tarfile.TarFile | None = None
        self.sizes: dict[str, int] = {}
        """Number of samples, by file name."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def add(self, members: Mapping[str, bytes]) -> None:
        """Write a sample: the content of its members by their endings, without a dot."""
        number = sum(self.sizes.values())
        if number % self._rows == 0:
            self._close()
            shard = self._name.format(len(self.sizes))
            self._tar = tarfile.open(self._folder / shard, "w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115
            self.sizes[shard] = 0
        assert self._tar is not None, "opened with the first sample of a shard"
        for ending, data in members.items():
            info = tarfile.TarInfo(f"{number:09d}.{ending}")
            info.size = len(data)
            self._tar.addfile(info, io.BytesIO(data))
        self.sizes[next(reversed(self.sizes))] += 1

    def _close(self) -> None:
        if self._tar is not None:
            self._tar.close()
            self._tar = None
