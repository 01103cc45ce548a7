"""train, its checkpoints: written whole, known by their digest, the newest sound one is used."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

from nsfwcaps.files import sha256_file, write_atomically

_NAME = re.compile(r"step-(\d{8})-([0-9a-f]{64})\.pt")
_KEPT = 2


def load_checkpoint(path: Path) -> dict[str, Any]:
    """The state that was saved."""
    import torch

    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state


class Checkpoints:
    """The checkpoints of one run: a folder that belongs to its settings and data."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.metrics = folder / "metrics.jsonl"
        """Lines of the steps so far; beside the checkpoints, for they are of the same run."""

    def save(self, step: int, state: dict[str, Any]) -> None:
        """Write a checkpoint, and remove all but the last two."""
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
        """The newest checkpoint whose bytes are those that were written.

        Damaged ones are removed: kept as the newest, they would push sound ones out.
        """
        for digest, path in reversed(self._found()):
            if sha256_file(path) == digest:
                return path
            path.unlink()
        return None

    def clear(self) -> None:
        """Remove them: the run is done."""
        for path in (self.metrics, *(path for _, path in self._found())):
            path.unlink(missing_ok=True)
        if self._folder.is_dir() and not any(self._folder.iterdir()):
            self._folder.rmdir()

    def _found(self) -> list[tuple[str, Path]]:
        """Digest and path of each, oldest first."""
        return [
            (match[2], path)
            for path in sorted(self._folder.glob("step-*.pt"))
            if (match := _NAME.fullmatch(path.name))
        ]
