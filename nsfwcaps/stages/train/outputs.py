"""train, what it leaves while it goes on: checkpoints, and the numbers of every step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol

from nsfwcaps.stages.train.checkpoints import Checkpoints
from nsfwcaps.stages.train.metrics import Metrics
from nsfwcaps.stages.train.tensorboard import Board
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

    def validated(self, step: int, scores: Mapping[str, float]) -> None:
        """Note the scores after a step, when they are saved."""
        ...

    def close(self) -> None:
        """Nothing more comes."""
        ...


class Written:
    """Outputs on the disk; those for TensorBoard where there is a folder for them."""

    def __init__(self, checkpoints: Checkpoints, key: str, board: Path | None) -> None:
        self._checkpoints, self._key, self._board_folder = checkpoints, key, board
        self._board: Board | None = None

    def newest(self) -> Path | None:
        """Find the newest sound checkpoint."""
        return self._checkpoints.newest()

    def start(self, step: int) -> None:
        """Keep the lines and the points of the steps up to this one."""
        self._metrics = Metrics(self._checkpoints.metrics, self._key, step)
        if self._board_folder is not None:
            self._board = Board(self._board_folder, step)

    def add(self, step: Step) -> None:
        """Write a line, and points."""
        self._metrics.add(step)
        if self._board is not None:
            self._board.add(step)

    def save(self, step: int, state: Callable[[], State]) -> None:
        """Write a checkpoint, and never one that is ahead of the lines and the points."""
        self._metrics.flush()
        if self._board is not None:
            self._board.flush()
        self._checkpoints.save(step, state())

    def validated(self, step: int, scores: Mapping[str, float]) -> None:
        """Write points; the state has the scores too."""
        if self._board is not None:
            self._board.validated(step, scores)

    def close(self) -> None:
        """Write points that are left."""
        if self._board is not None:
            self._board.close()


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

    def validated(self, step: int, scores: Mapping[str, float]) -> None:
        """Write nothing."""

    def close(self) -> None:
        """Nothing was open."""
