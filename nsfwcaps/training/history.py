"""Validation history of a run: scores by epoch, the best epoch, and early stopping."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import torch

from nsfwcaps.training.validation import Validation

Tensors = dict[str, torch.Tensor]


class History:
    """Scores by epoch: entry 0 is from before training, entry e from after epoch e."""

    def __init__(self, patience: int | None) -> None:
        """With `patience`, keep the tensors of the best epoch; None trains to the last epoch."""
        self._patience = patience
        self.scores: list[dict[str, float]] = []
        """The fields of `Validation` and their `total`; empty without validation pairs."""
        self.best: Tensors | None = None
        """Tensors of the best epoch; kept only with `patience`."""
        self._best_epoch: int | None = None
        self._best_total: float | None = None
        self._stale = 0

    def add(self, score: Validation | None, tensors: Callable[[], Tensors]) -> None:
        """Add the score of the next epoch; a tie with the best epoch is not an improvement."""
        self.scores.append({} if score is None else {**asdict(score), "total": score.total})
        if score is None:
            return
        if self._best_total is None or score.total > self._best_total:
            self._best_total, self._stale = score.total, 0
            self._best_epoch = len(self.scores) - 1
            if self._patience is not None:
                self.best = tensors()
        else:
            self._stale += 1

    def skip(self) -> None:
        """Add an epoch without steps, with the score of the previous one."""
        self.scores.append(self.scores[-1])

    @property
    def next_epoch(self) -> int:
        """The first epoch that has not been validated yet."""
        return len(self.scores)

    @property
    def kept_epoch(self) -> int | None:
        """The epoch whose model is kept: the best one with `patience`, else the last."""
        return self._best_epoch if self._patience is not None else len(self.scores) - 1

    @property
    def out_of_patience(self) -> bool:
        """Whether `patience` epochs have passed without improvement."""
        return self._patience is not None and self._stale >= self._patience

    def state(self) -> dict[str, Any]:
        """The complete state, for a checkpoint."""
        return {
            "validation": self.scores,
            "best": self.best,
            "best_epoch": self._best_epoch,
            "best_total": self._best_total,
            "stale": self._stale,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Restore a state."""
        self.scores, self.best = state["validation"], state["best"]
        self._best_epoch, self._best_total = state["best_epoch"], state["best_total"]
        self._stale = state["stale"]
