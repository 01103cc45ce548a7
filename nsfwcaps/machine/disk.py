"""Bytes per second to and from the disk of a folder."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

_CHUNK = 2**22


def disk(folder: Path, *, size: int = 2**27) -> tuple[float, float]:
    """Measure writing and reading a file, in bytes per second, and remove it.

    Writing ends when the data is on the disk. Before reading, the system is asked to forget the
    file; where it cannot, memory may answer instead of the disk.

    Raises:
        OSError: the folder cannot be written to.
    """
    data = os.urandom(_CHUNK)
    with tempfile.NamedTemporaryFile(dir=folder, prefix=".nsfwcaps-doctor-") as file:
        start = time.perf_counter()
        for _ in range(size // _CHUNK):
            file.write(data)
        file.flush()
        os.fsync(file.fileno())
        writing = time.perf_counter() - start
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        file.seek(0)
        start = time.perf_counter()
        while file.read(_CHUNK):
            pass
        reading = time.perf_counter() - start
    written = size // _CHUNK * _CHUNK
    return written / writing, written / reading
