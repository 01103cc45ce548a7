"""Workers as Ray actors, on a cluster or on this machine.

connect (`ray_connection`) ─ places (`ray_places`) ─ actors (`ray_crew`, `ray_member`, `ray_actor`)

Only Ray's core is used. Shards, keys and journals stay ours: Ray carries messages, and files where
machines have no folder in common (`supply`, `mirror`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from nsfwcaps import extras
from nsfwcaps.enums import Device
from nsfwcaps.executors.executor import Crew, Executor, Job, JobProgress
from nsfwcaps.executors.order import Order
from nsfwcaps.executors.ray_connection import connected
from nsfwcaps.executors.ray_crew import PLACED_S, RayCrew, UnseenError
from nsfwcaps.executors.ray_places import Places
from nsfwcaps.executors.settings import ExecutionSettings


class RayExecutor(Executor):
    """Starts actors on a Ray cluster."""

    def __init__(
        self,
        settings: ExecutionSettings,
        device: Device = Device.AUTO,
        note: Callable[[str], None] = lambda line: None,
        *,
        shared: bool | None = None,
        placed_s: float = PLACED_S,
    ) -> None:
        """Connect to nothing yet.

        Args:
            settings: Address, and what each worker asks for.
            device: `cpu` if no stage uses GPUs.
            note: Shows a line to the user.
            shared: Whether workers see the run's folder; by default, each finds out.
            placed_s: Seconds that workers may wait for a place before a line says so.

        Raises:
            ModelError: Ray is not installed.
        """
        extras.require({"ray": "--executor ray"})
        self._settings, self._device, self._note = settings, device, note
        self._shared, self._placed_s = shared, placed_s

    @contextmanager
    def open(self, order: Order) -> Iterator[Crew]:
        """Start the actors; the first one decides what all have in common.

        Where no worker sees what the stage reads outside of the run's folder, such as the files of
        a pool, the crew has no workers: this process does the work.
        """
        order = replace(order, workdir=str(Path(order.workdir).absolute()))
        with connected(self._settings.ray_address) as ray:
            places = Places(ray, self._settings, self._device)
            crew = RayCrew(order, places, self._note, shared=self._shared, placed_s=self._placed_s)
            try:
                yield crew if self._starts(crew, order) else NobodyCrew()
            finally:
                crew.stop()

    def _starts(self, crew: RayCrew, order: Order) -> bool:
        try:
            crew.start()
        except UnseenError as error:
            crew.stop()
            self._note(f"{order.stage}: this process does it alone, as {error}")
            return False
        return True


class NobodyCrew(Crew):
    """No workers: the driver does the work."""

    size = 0

    def __init__(self) -> None:
        self.agreed: Mapping[str, Any] = {}

    def make(self, jobs: Sequence[Job]) -> Iterator[JobProgress]:
        """Have nothing done."""
        yield from ()
