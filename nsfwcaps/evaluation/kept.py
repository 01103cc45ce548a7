"""Rows of a run of blocks in the making, as files of the folder of vectors.

A killed evaluation goes on from them. They are removed when the blocks are written.
"""

from __future__ import annotations

import io
import json
import time
import zipfile
from pathlib import Path

import numpy as np

from nsfwcaps.encoders import keeping
from nsfwcaps.encoders.keeping import KeptRows
from nsfwcaps.files import write_atomically


class KeptRun:
    """Keeps the rows of one call of an encoder, named by the digest of its inputs."""

    def __init__(self, folder: Path, inputs: str, width: int) -> None:
        self._folder, self._inputs, self._width = folder, inputs, width
        self._earlier = self._found()
        self._count = len(self._earlier)
        self._last = time.monotonic()

    def kept(self) -> list[KeptRows]:
        """Return what earlier evaluations have kept."""
        return self._earlier

    def due(self) -> bool:
        """Whether the last file is too old."""
        return time.monotonic() - self._last >= keeping.SECONDS

    def keep(self, rows: KeptRows) -> None:
        """Write rows to a file of their own."""
        self._last = time.monotonic()
        file = io.BytesIO()
        failed = json.dumps(sorted(rows.failed.items()))
        np.savez(file, places=rows.places, rows=rows.rows, failed=np.array(failed))
        write_atomically(self._path(self._count), file.getbuffer())
        self._count += 1

    def discard(self) -> None:
        """Remove the files."""
        for number in range(self._count):
            self._path(number).unlink(missing_ok=True)

    def _path(self, number: int) -> Path:
        return self._folder / f"{self._inputs}-{number}.npz"

    def _found(self) -> list[KeptRows]:
        """Read the files, up to the first that is missing or damaged."""
        found: list[KeptRows] = []
        while True:
            try:
                with np.load(self._path(len(found)), allow_pickle=False) as arrays:
                    rows = KeptRows(
                        places=arrays["places"],
                        rows=arrays["rows"],
                        failed=dict(json.loads(str(arrays["failed"]))),
                    )
            except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
                return found
            if rows.rows.shape != (len(rows.places), self._width):
                return found
            found.append(rows)
