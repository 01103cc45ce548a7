"""How a run went so far: the validation after each epoch, which epoch was best, and patience."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import torch

from nsfwcaps.training.validation import Validation

Tensors = dict[str, torch.Tensor]


class History:
    """Scores by epoch: entry 0 is before training, entry e after epoch e."""

    def __init__(self, patience: int | None) -> None:
        """With `patience`, keep the tensors of the best epoch; None trains to the last one."""
        self._patience = patience
        self.scores: list[dict[str, float]] = []
        """The fields of `Validation` and their `total`; empty where there are no pairs for it."""
        self.best: Tensors | None = None
        """Tensors of the best epoch, kept where there is patience."""
        self._best_epoch: int | None = None
        self._best_total: float | None = None
        self._stale = 0

    def add(self, score: Validation | None, tensors: Callable[[], Tensors]) -> None:
        """Note the score of the next epoch; an epoch that is as good as the best is no gain."""
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
        """Note an epoch without a step: the model is that of the epoch before."""
        self.scores.append(self.scores[-1])

    @property
    def next_epoch(self) -> int:
        """The first epoch after which the model was not validated yet."""
        return len(self.scores)

    @property
    def kept_epoch(self) -> int | None:
        """The epoch whose model is kept: the best with patience, else the last."""
        return self._best_epoch if self._patience is not None else len(self.scores) - 1

    @property
    def out_of_patience(self) -> bool:
        """Whether as many epochs as patience allows went by without a better one."""
        return self._patience is not None and self._stale >= self._patience

    def state(self) -> dict[str, Any]:
        """Everything, as a checkpoint has it."""
        return {
            "validation": self.scores,
            "best": self.best,
            "best_epoch": self._best_epoch,
            "best_total": self._best_total,
            "stale": self._stale,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""
        self.scores, self.best = state["validation"], state["best"]
        self._best_epoch, self._best_total = state["best_epoch"], state["best_total"]
        self._stale = state["stale"]
