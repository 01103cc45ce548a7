"""Places for workers on a Ray cluster: what each asks for, how many fit, and what there is."""

from __future__ import annotations

import os
from contextlib import suppress
from typing import Any

from nsfwcaps.enums import Device
from nsfwcaps.errors import ConfigError
from nsfwcaps.executors.ray_actor import RayActor
from nsfwcaps.executors.settings import ExecutionSettings


class Places:
    """Starts actors that ask for CPUs and GPUs."""

    def __init__(self, ray: Any, settings: ExecutionSettings, device: Device) -> None:
        """Look at the cluster.

        Raises:
            ConfigError: GPUs above one must be whole.
        """
        self.ray = ray
        self._cpus = settings.ray_cpus
        by_default = float(device is not Device.CPU and self._total("GPU") >= 1)
        self._gpus = by_default if settings.ray_gpus is None else settings.ray_gpus
        if self._gpus > 1 and self._gpus % 1:
            raise ConfigError(
                f"ray_gpus is {_number(self._gpus)}; expected a part of one GPU or a whole number"
            )
        fit = sum(self._fitting(node) for node in self._nodes())
        # A cluster that grows on demand may have no node yet that is large enough.
        self.workers = settings.processes or max(1, fit)

    def place(self) -> Any:
        """Ask for a place; it stays a worker's when its actor dies."""
        asked = {"CPU": self._cpus, "GPU": self._gpus}
        return self.ray.util.placement_group([{name: n for name, n in asked.items() if n}])

    def given(self, place: Any) -> bool:
        """Whether a node has been found for a place; an actor may still be starting there."""
        found = self.ray.util.placement_group_table(place)
        return bool(found.get("state") == "CREATED")

    def give_back(self, place: Any) -> None:
        """Give up a place."""
        with suppress(Exception):  # as the connection may be lost
            self.ray.util.remove_placement_group(place)

    def actor(self, place: Any) -> Any:
        """Ask for an actor in a place."""
        strategies = self.ray.util.scheduling_strategies
        kind = self.ray.remote(RayActor).options(
            num_cpus=self._cpus,
            num_gpus=self._gpus,
            max_restarts=0,
            scheduling_strategy=strategies.PlacementGroupSchedulingStrategy(place),
        )
        return kind.remote(max(1, int(self._cpus)), self._gpus, os.getcwd())

    def refused(self, seconds: float, waiting: int) -> str:
        """Say that workers have found no place, what each asks for, and what the cluster has."""
        free = self.ray.available_resources()
        nodes = len(self._nodes())
        return (
            f"{waiting} of {self.workers} Ray workers found no place within {seconds:.0f} s: each "
            f"asks for {_amount(self._cpus, 'CPU')} and {_amount(self._gpus, 'GPU')}, the cluster "
            f"has {_amount(self._total('CPU'), 'CPU')} ({_number(free.get('CPU', 0))} free) and "
            f"{_amount(self._total('GPU'), 'GPU')} ({_number(free.get('GPU', 0))} free) on "
            f"{_amount(nodes, 'node')}"
        )

    def _nodes(self) -> list[dict[str, float]]:
        """Return what each living node has."""
        return [node["Resources"] for node in self.ray.nodes() if node["Alive"]]

    def _total(self, name: str) -> float:
        return sum(node.get(name, 0.0) for node in self._nodes())

    def _fitting(self, node: dict[str, float]) -> int:
        fits = [int(node.get("CPU", 0.0) / self._cpus + 1e-6)]
        if self._gpus:
            fits.append(int(node.get("GPU", 0.0) / self._gpus + 1e-6))
        return min(fits)


def _amount(count: float, noun: str) -> str:
    return f"{_number(count)} {noun}" if count == 1 else f"{_number(count)} {noun}s"


def _number(count: float) -> str:
    return f"{count:g}"
