"""train, its metrics: a line for every step, each once, however often the run was stopped."""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict
from pathlib import Path

from nsfwcaps.files import write_atomically
from nsfwcaps.training.loop import Step


class Metrics:
    """The metrics file: a line for every step, also of a run that was stopped and went on."""

    def __init__(self, path: Path, key: str, step: int) -> None:
        head = json.dumps({"run": key}) + "\n"
        kept = [head]
        if path.is_file():
            lines = path.read_text().splitlines(keepends=True)
            if lines and lines[0] == head:
                kept += [line for line in lines[1:] if _step_of(line) <= step]
        write_atomically(path, "".join(kept).encode())
        self._path = path

    def add(self, step: Step) -> None:
        """Append a step."""
        with self._path.open("a") as file:
            file.write(json.dumps(asdict(step)) + "\n")

    def flush(self) -> None:
        """Have all lines on the disk: a checkpoint must not be ahead of them."""
        with self._path.open("a") as file:
            os.fsync(file.fileno())


def _step_of(line: str) -> float:
    """Step of a line; infinite where a kill cut it short."""
    try:
        return float(json.loads(line)["step"]) if line.endswith("\n") else math.inf
    except (ValueError, KeyError):
        return math.inf
