"""The interface through which a run writes metrics and checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from nsfwcaps.training.loop import Step

RunState = dict[str, Any]
"""State from which a run resumes, for `torch.save`."""


class Outputs(Protocol):
    """Receives the steps, the scores and the states of one run."""

    def start(self, step: int) -> None:
        """Start or resume after a step."""
        ...

    def add(self, step: Step) -> None:
        """Record a step."""
        ...

    def save(self, step: int, state: Callable[[], RunState]) -> None:
        """Save the state after a step."""
        ...

    def validated(self, step: int, scores: Mapping[str, float]) -> None:
        """Record the validation scores after a step."""
        ...

    def close(self) -> None:
        """Finish writing."""
        ...


class NoOutputs:
    """Discards everything; for all processes but the first."""

    def start(self, step: int) -> None:
        """Write nothing."""

    def add(self, step: Step) -> None:
        """Write nothing."""

    def save(self, step: int, state: Callable[[], RunState]) -> None:
        """Write nothing; the state is not computed either."""

    def validated(self, step: int, scores: Mapping[str, float]) -> None:
        """Write nothing."""

    def close(self) -> None:
        """Do nothing."""
