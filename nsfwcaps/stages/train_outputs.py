"""train, what it leaves while it goes on: checkpoints, and the metrics of every step."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from nsfwcaps.stages.train_checkpoints import Checkpoints
from nsfwcaps.stages.train_metrics import Metrics
from nsfwcaps.training.loop import Step

State = dict[str, Any]


class Outputs(Protocol):
    """Where a run puts its steps and its states."""

    def newest(self) -> Path | None:
        """Checkpoint to go on from."""
        ...

    def start(self, step: int) -> None:
        """Go on after a step."""
        ...

    def add(self, step: Step) -> None:
        """Note a step."""
        ...

    def save(self, step: int, state: Callable[[], State]) -> None:
        """Save the state after a step."""
        ...


class Written:
    """Outputs on the disk."""

    def __init__(self, checkpoints: Checkpoints, key: str) -> None:
        self._checkpoints, self._key = checkpoints, key

    def newest(self) -> Path | None:
        """Find the newest sound checkpoint."""
        return self._checkpoints.newest()

    def start(self, step: int) -> None:
        """Keep the lines of the steps up to this one."""
        self._metrics = Metrics(self._checkpoints.metrics, self._key, step)

    def add(self, step: Step) -> None:
        """Write a line."""
        self._metrics.add(step)

    def save(self, step: int, state: Callable[[], State]) -> None:
        """Write a checkpoint, and never one that is ahead of the lines."""
        self._metrics.flush()
        self._checkpoints.save(step, state())


class Unwritten:
    """Outputs of a process beside the first, which writes for all."""

    def newest(self) -> Path | None:
        """Leave it to the first process to find one."""
        return None

    def start(self, step: int) -> None:
        """Write nothing."""

    def add(self, step: Step) -> None:
        """Write nothing."""

    def save(self, step: int, state: Callable[[], State]) -> None:
        """Write nothing, nor work out what would be written."""
