"""Executors: who the workers of a stage are. The driver gives them parts until all are made."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from nsfwcaps import extras
from nsfwcaps.errors import DeviceError, ModelError, NsfwcapsError, storage_error
from nsfwcaps.executors.order import Order
from nsfwcaps.sharing import Part

MOST_DEATHS = 3
"""Workers that may die while they make the same part."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One part of one phase, to be made by one worker."""

    phase: str
    part: Part
    held: int = 0
    """What a worker holds for it, such as a partition: best given to one that has it."""


@dataclass(frozen=True, kw_only=True)
class JobProgress:
    """Progress of a job: rows since the last message; `done` with the last one."""

    job: Job
    rows: int
    done: bool


class Crew(Protocol):
    """Workers that have opened a stage."""

    agreed: Mapping[str, Any]
    """What all of them have in common."""
    size: int
    """Number of workers; 0 if this process does the work alone."""

    def make(self, jobs: Sequence[Job]) -> Iterator[JobProgress]:
        """Have jobs done, each by whoever is free. One of a worker that dies is done by another.

        Raises:
            DeviceError: a job has killed several workers.
            NsfwcapsError: as a worker does.
        """
        ...


class Executor(Protocol):
    """Starts workers."""

    def open(self, order: Order) -> AbstractContextManager[Crew]:
        """Start workers and open a stage; they end with the context.

        Raises:
            DeviceError: no worker can be started.
            ModelError: a worker has another version of the package, or other weights.
        """
        ...


def same(agreed: Iterable[tuple[str, Mapping[str, Any]]]) -> Mapping[str, Any]:
    """Return what named workers have in common.

    Raises:
        ModelError: they differ.
    """
    found = list(agreed)
    first, known = found[0]
    for name, own in found[1:]:
        for key, value in known.items():
            if own.get(key) != value:
                raise ModelError(
                    f"workers differ in {key}: {first} has {_short(value)}, {name} has "
                    f"{_short(own.get(key))}; give all of them the same weights and kind of device"
                )
    return known


def take_next(left: list[Job], held: int | None) -> Job:
    """Take the next job for a worker: the first that needs what it holds, else the first."""
    at = next((place for place, job in enumerate(left) if job.held == held), 0)
    return left.pop(at)


def died(job: Job, deaths: int, why: str) -> DeviceError:
    """Return the error for a job that has killed several workers."""
    return DeviceError(
        f"{deaths} workers ended while they made part {job.part} of {job.phase} ({why}), often "
        "because memory was too small; use fewer workers, and run the same command again: "
        "finished shards are kept"
    )


def portable(error: Exception) -> Exception:
    """Return an error that another process can raise; of an unexpected one, the traceback."""
    if isinstance(error, NsfwcapsError):
        return error
    if isinstance(error, MemoryError):
        return DeviceError(
            "a worker is out of memory; use fewer workers, or lower --memory, --shard-rows or the "
            "batch sizes; finished shards are kept"
        )
    if isinstance(error, OSError) and (known := storage_error(error)) is not None:
        return known
    if isinstance(error, ModuleNotFoundError) and (lacking := extras.explained(error)) is not None:
        return lacking
    return RuntimeError("".join(traceback.format_exception(error)))


def _short(value: Any) -> str:
    text = str(value)
    return text[:12] if len(text) == 64 else text
