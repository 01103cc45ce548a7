"""A folder of the run where a worker does not see the driver's: what it needs, and what it makes.

<temporary folder>/nsfwcaps-mirror-*/
    .in-use        locked as long as the worker lives; mirrors of dead ones are removed
    <input>/       earlier stages, as the driver has sent them
    <stage>/       shards.jsonl: what the driver knows; shards-<writer>.jsonl: what is made here
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nsfwcaps.artifacts import StageFolder
from nsfwcaps.errors import InputError
from nsfwcaps.executors.order import Order
from nsfwcaps.executors.private_folder import PrivateFolder
from nsfwcaps.executors.worker import writer_name
from nsfwcaps.files import JsonLines

MOST_BYTES = 32 << 20
"""Bytes of one message, if each file is smaller."""


@dataclass(frozen=True, kw_only=True)
class FilePiece:
    """Bytes to append to a file of the mirror; `path` is relative to the run's folder."""

    path: str
    data: bytes


@dataclass(frozen=True, kw_only=True)
class SentShard:
    """A shard that a worker has made: its row of the journal, and its files by their paths."""

    row: dict[str, Any]
    files: dict[str, bytes]


class RunMirror:
    """The folder of one worker."""

    def __init__(self) -> None:
        """Make an empty folder."""
        self._folder = PrivateFolder("nsfwcaps-mirror-")
        self.path = self._folder.path
        self._sent = 0

    def receive(self, pieces: Sequence[FilePiece]) -> None:
        """Append bytes to files."""
        for piece in pieces:
            path = self.path / piece.path
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("ab") as file:
                file.write(piece.data)

    def unsent(self, folder: StageFolder) -> tuple[list[SentShard], bool]:
        """Return shards that were made since the last call, and whether these are all.

        Files of the rows kept of a shard in the making may be gone: they are left out.
        """
        rows = [*JsonLines(folder.path / f"shards-{writer_name()}.jsonl").rows()]
        found: list[SentShard] = []
        size = 0
        for row in rows[self._sent :]:
            if size >= MOST_BYTES:
                return found, False
            self._sent += 1
            with contextlib.suppress(FileNotFoundError):
                files = {
                    file["path"]: (folder.path / file["path"]).read_bytes() for file in row["files"]
                }
                found.append(SentShard(row=row, files=files))
                size += sum(map(len, files.values()))
        return found, True

    def remove(self) -> None:
        """Remove the folder."""
        self._folder.remove()


def check_paths(paths: Sequence[str]) -> None:
    """Check that this machine sees files and folders outside of the run.

    Raises:
        InputError: it does not.
    """
    for path in paths:
        if not Path(path).exists():
            raise InputError(f"this machine does not see {path}")


def check_pictures(order: Order) -> None:
    """Check that this machine sees pictures that a run names by their paths: one of each file.

    Otherwise they would be set aside as broken.

    Raises:
        InputError: it does not.
    """
    if order.stage != "embed" or not order.settings.get("images"):
        return
    ingest = StageFolder(Path(order.workdir) / "ingest").record()
    paths = [] if ingest is None else ingest.paths("images")
    if paths:
        import pyarrow.parquet as pq
    for path in paths:
        with pq.ParquetFile(path) as file:
            batch = next(file.iter_batches(batch_size=1, columns=["image_path"]), None)
        first = None if batch is None else batch["image_path"][0].as_py()
        if first is not None and not Path(first).exists():
            raise InputError(f"this machine does not see {first}")
