"""Places for workers on a Ray cluster: what each asks for, how many fit, and what there is."""

from __future__ import annotations

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
        self._gpus = settings.ray_gpus
        if self._gpus is None:
            self._gpus = float(device is not Device.CPU and self._total("GPU") >= 1)
        if self._gpus > 1 and self._gpus % 1:
            raise ConfigError(
                f"ray_gpus is {_number(self._gpus)}; expected a part of one GPU or a whole number"
            )
        fit = sum(self._fitting(node) for node in self._nodes())
        # A cluster that grows on demand may have no node yet that is large enough.
        self.workers = settings.processes or max(1, fit)

    def actor(self) -> Any:
        """Ask for an actor; it starts as soon as there is a place."""
        threads = max(1, int(self._cpus))
        kind = self.ray.remote(RayActor).options(
            num_cpus=self._cpus, num_gpus=self._gpus, max_restarts=0, max_task_retries=0
        )
        return kind.remote(threads, self._gpus)

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
