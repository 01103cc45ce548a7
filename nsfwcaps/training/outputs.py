"""Where a run puts its steps and its states: what the loop over epochs asks of its surroundings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from nsfwcaps.training.loop import Step

RunState = dict[str, Any]
"""What a run goes on from, as `torch.save` takes it."""


class Outputs(Protocol):
    """Takes the steps, the scores and the states of one run."""

    def start(self, step: int) -> None:
        """Go on after a step."""
        ...

    def add(self, step: Step) -> None:
        """Note a step."""
        ...

    def save(self, step: int, state: Callable[[], RunState]) -> None:
        """Save the state after a step."""
        ...

    def validated(self, step: int, scores: Mapping[str, float]) -> None:
        """Note the scores after a step, when they are saved."""
        ...

    def close(self) -> None:
        """Nothing more comes."""
        ...


class NoOutputs:
    """Outputs of a process beside the first, which writes for all."""

    def start(self, step: int) -> None:
        """Write nothing."""

    def add(self, step: Step) -> None:
        """Write nothing."""

    def save(self, step: int, state: Callable[[], RunState]) -> None:
        """Write nothing, nor work out what would be written."""

    def validated(self, step: int, scores: Mapping[str, float]) -> None:
        """Write nothing."""

    def close(self) -> None:
        """Nothing was open."""
