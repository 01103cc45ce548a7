"""train, outputs during training: checkpoints, and the metrics of every step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from nsfwcaps.stages.train.checkpoints import Checkpoints
from nsfwcaps.stages.train.metrics import Metrics
from nsfwcaps.stages.train.tensorboard import Board
from nsfwcaps.training.loop import Step
from nsfwcaps.training.outputs import RunState


class FileOutputs:
    """Outputs on disk, with TensorBoard events if a folder is given."""

    def __init__(self, checkpoints: Checkpoints, key: str, board: Path | None) -> None:
        self._checkpoints, self._key, self._board_folder = checkpoints, key, board
        self._board: Board | None = None

    def start(self, step: int) -> None:
        """Keep the metrics and events up to this step; drop later ones."""
        self._metrics = Metrics(self._checkpoints.metrics, self._key, step)
        if self._board_folder is not None:
            self._board = Board(self._board_folder, step)

    def add(self, step: Step) -> None:
        """Write the metrics and events of a step."""
        self._metrics.add(step)
        if self._board is not None:
            self._board.add(step)

    def save(self, step: int, state: Callable[[], RunState]) -> None:
        """Write a checkpoint, after flushing metrics and events: it must never be ahead of them."""
        self._metrics.flush()
        if self._board is not None:
            self._board.flush()
        self._checkpoints.save(step, state())

    def validated(self, step: int, scores: Mapping[str, float]) -> None:
        """Write the scores as events; the checkpoint stores them too."""
        if self._board is not None:
            self._board.validated(step, scores)

    def close(self) -> None:
        """Write the remaining events."""
        if self._board is not None:
            self._board.close()
