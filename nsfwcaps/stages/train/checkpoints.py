"""train, checkpoints: written atomically, verified by digest; the newest intact one is used."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

from nsfwcaps.files import sha256_file, write_atomically

_NAME = re.compile(r"step-(\d{8})-([0-9a-f]{64})\.pt")
_KEPT = 2


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Load a saved state."""
    import torch

    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state


class Checkpoints:
    """Checkpoints of one run, in a folder of its settings and data."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.metrics = folder / "metrics.jsonl"
        """Metrics of the steps so far, next to the checkpoints of the same run."""

    def save(self, step: int, state: dict[str, Any]) -> None:
        """Write a checkpoint; remove all but the last two."""
        import hashlib

        import torch

        buffer = io.BytesIO()
        torch.save(state, buffer)
        data = buffer.getbuffer()
        sha256 = hashlib.sha256(data).hexdigest()
        write_atomically(self._folder / f"step-{step:08d}-{sha256}.pt", data)
        for _, path in self._found()[:-_KEPT]:
            path.unlink()

    def newest(self) -> Path | None:
        """Return the newest intact checkpoint, or None.

        Damaged ones are removed: counted among the newest, they would displace intact ones.
        """
        for digest, path in reversed(self._found()):
            if sha256_file(path) == digest:
                return path
            path.unlink()
        return None

    def clear(self) -> None:
        """Remove all checkpoints, as the run is done."""
        for path in (self.metrics, *(path for _, path in self._found())):
            path.unlink(missing_ok=True)
        if self._folder.is_dir() and not any(self._folder.iterdir()):
            self._folder.rmdir()

    def _found(self) -> list[tuple[str, Path]]:
        """Return digest and path of each checkpoint, oldest first."""
        return [
            (match[2], path)
            for path in sorted(self._folder.glob("step-*.pt"))
            if (match := _NAME.fullmatch(path.name))
        ]
