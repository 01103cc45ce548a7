"""train, metrics: one line per step, without repeats after a resume."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from nsfwcaps.files import JsonLines
from nsfwcaps.training.loop import Step


class Metrics:
    """The metrics file: one line per step, also across resumes."""

    def __init__(self, path: Path, key: str, step: int) -> None:
        self._file = JsonLines(path)
        head = {"run": key}
        rows = [row for row in self._file.rows() if isinstance(row, dict)]
        kept = [row for row in rows[1:] if "step" in row] if rows[:1] == [head] else []
        self._file.replace([head, *(row for row in kept if row["step"] <= step)])

    def add(self, step: Step) -> None:
        """Append a step."""
        self._file.add([asdict(step)], durable=False)

    def flush(self) -> None:
        """Sync all lines to disk: a checkpoint must not be ahead of them."""
        self._file.sync()
