"""train, TensorBoard: metrics as event files, if the package is installed."""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nsfwcaps.errors import ConfigError
from nsfwcaps.runtime.silence import silence
from nsfwcaps.training.loop import Step


def wants_board(asked: bool | None) -> bool:
    """Return whether to write event files; by default, if the package is installed.

    Raises:
        ConfigError: events are requested, but the package is not installed.
    """
    installed = importlib.util.find_spec("tensorboard") is not None
    if asked and not installed:
        raise ConfigError(
            "train.events: the package tensorboard is not installed; run 'pip install "
            "tensorboard', or remove --events"
        )
    return installed if asked is None else asked


class Board:
    """Event files of one run, without repeated points after a resume."""

    def __init__(self, folder: Path, step: int) -> None:
        """Resume after a step; drop the points of later steps, which will be repeated."""
        with silence():
            from torch.utils.tensorboard import SummaryWriter

        # Step 0 has the scores before training; a run without a checkpoint computes them again.
        self._writer: Any = SummaryWriter(str(folder), purge_step=step + 1 if step else 0)
        self._before = time.monotonic()

    def add(self, step: Step) -> None:
        """Write a step, with the throughput since the last one."""
        now = time.monotonic()
        scalars = {
            "train/loss": step.loss,
            **{f"terms/{name}": value for name, value in step.terms.items()},
            "train/learning_rate": step.learning_rate,
            "train/gradient_norm": step.gradient_norm,
            "train/pairs_per_second": step.pairs / max(now - self._before, 1e-9),
        }
        self._before = now
        self._write(scalars, step.step)

    def validated(self, step: int, scores: Mapping[str, float]) -> None:
        """Write the scores of the model after a step."""
        self._write({f"validation/{name}": value for name, value in scores.items()}, step)
        self._before = time.monotonic()

    def flush(self) -> None:
        """Flush all points to disk."""
        self._writer.flush()

    def close(self) -> None:
        """Flush and close the event files."""
        self._writer.close()

    def _write(self, scalars: Mapping[str, float], step: int) -> None:
        for name, value in scalars.items():
            self._writer.add_scalar(name, value, step)
