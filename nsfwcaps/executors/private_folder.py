"""Temporary folders that go with their process: those of one that was killed, the next removes.

<prefix>*/.in-use   locked as long as the process lives
"""

from __future__ import annotations

import contextlib
import fcntl
import shutil
import tempfile
import time
from pathlib import Path
from typing import IO

_LOCK = ".in-use"
_PATIENCE_S, _PAUSE_S = 5.0, 0.1


class PrivateFolder:
    """A folder of this process."""

    def __init__(self, prefix: str, root: Path | None = None) -> None:
        """Make a folder; remove those of the same prefix whose processes are dead."""
        root = root or Path(tempfile.gettempdir())
        for left in root.glob(f"{prefix}*"):
            _remove_unlocked(left)
        self.path = Path(tempfile.mkdtemp(prefix=prefix, dir=root))
        early = self.path / f"{_LOCK}-early"
        self._lock: IO[bytes] = early.open("wb")
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        early.rename(self.path / _LOCK)  # from here on, others may look at the lock

    def remove(self) -> None:
        """Remove the folder; processes that are about to end may still write to it."""
        until = time.monotonic() + _PATIENCE_S
        while self.path.exists() and time.monotonic() < until:
            shutil.rmtree(self.path, ignore_errors=True)
            time.sleep(_PAUSE_S)
        self._lock.close()


def _remove_unlocked(folder: Path) -> None:
    # Folders of other users cannot be opened, and locked ones are in use.
    with contextlib.suppress(OSError), (folder / _LOCK).open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
