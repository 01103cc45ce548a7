"""Workers as processes of this machine: one for each GPU, or for each core."""

from __future__ import annotations

import contextlib
import multiprocessing
import pickle
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection, wait
from typing import Any

from nsfwcaps.errors import DeviceError
from nsfwcaps.executors.executor import (
    MOST_DEATHS,
    Crew,
    Executor,
    Job,
    JobProgress,
    died,
    same,
    take_next,
)
from nsfwcaps.executors.order import Order
from nsfwcaps.executors.process_of_worker import serve
from nsfwcaps.runtime.spawn import spawn

_PATIENCE_S = 10.0


class ProcessExecutor(Executor):
    """Starts `workers` processes, which share the cores, and the GPUs by turns."""

    def __init__(self, workers: int, gpus: int = 0) -> None:
        self._workers, self._gpus = workers, gpus

    @contextmanager
    def open(self, order: Order) -> Iterator[Crew]:
        """Start the processes; the first one decides what all have in common."""
        crew = ProcessCrew(order, self._workers, self._gpus)
        try:
            crew.start()
            yield crew
        finally:
            crew.stop()


class ProcessCrew(Crew):
    """Processes that have opened a stage. One that dies is replaced."""

    def __init__(self, order: Order, workers: int, gpus: int) -> None:
        self.size = workers
        self.agreed: Mapping[str, Any] = {}
        self._order, self._gpus = order, gpus
        self._members: list[_Member] = []

    def start(self) -> None:
        """Start all processes.

        Raises:
            NsfwcapsError: as a worker does, or workers differ.
        """
        self._members = [self._opened(self._started(0, None))]
        self.agreed = self._members[0].ready()
        self._members += [self._started(number, self.agreed) for number in range(1, self.size)]
        self._members[:] = map(self._opened, self._members)
        same((member.name, member.ready()) for member in self._members)

    def make(self, jobs: Sequence[Job]) -> Iterator[JobProgress]:
        """Give each process a job at a time; the answers come in any order."""
        left, deaths = list(jobs), Counter[Job]()
        while left or any(member.job is not None for member in self._members):
            for member in self._members:
                if left and member.job is None:
                    member.give(take_next(left, member.held))
            busy = [member for member in self._members if member.job is not None]
            ready = {id(item) for item in wait([member.connection for member in busy])}
            for member in busy:
                if id(member.connection) not in ready:
                    continue
                made = member.answer()
                if made is not None:
                    yield made
                    continue
                job, lost = member.job, member.rows
                assert job is not None, "it was busy"
                deaths[job] += 1
                if deaths[job] == MOST_DEATHS:
                    raise died(job, deaths[job], f"exit code {member.exit_code()}")
                yield JobProgress(job=job, rows=-lost, done=False)
                left.insert(0, job)
                self._replace(member)

    def stop(self) -> None:
        """End all processes."""
        for member in self._members:
            member.process.terminate()
        for member in self._members:
            member.process.join(_PATIENCE_S)
            if member.process.is_alive():
                member.process.kill()

    def _started(self, number: int, agreed: Mapping[str, Any] | None) -> _Member:
        gpu = number % self._gpus if self._gpus else None
        return _Member(self._order, number, gpu, self.size, agreed)

    def _opened(self, member: _Member) -> _Member:
        """Wait until a process has opened the stage; one that dies meanwhile is replaced.

        Raises:
            DeviceError: several have died.
            NsfwcapsError: as a worker does.
        """
        for _ in range(MOST_DEATHS - 1):
            try:
                member.ready()
            except _LostError:
                member = self._started(member.number, member.given)
        try:
            member.ready()
        except _LostError:
            raise DeviceError(
                f"{member.name} ended as it began, {MOST_DEATHS} times (exit code "
                f"{member.exit_code()}), often because memory was too small; use fewer workers"
            ) from None
        return member

    def _replace(self, member: _Member) -> None:
        member.process.join(_PATIENCE_S)
        new = self._opened(self._started(member.number, self.agreed))
        self._members[self._members.index(member)] = new
        same([("the others", self.agreed), (new.name, new.ready())])


class _LostError(Exception):
    """A process has ended before it had opened the stage."""


class _Member:
    """A process, seen from the driver."""

    def __init__(
        self,
        order: Order,
        number: int,
        gpu: int | None,
        count: int,
        agreed: Mapping[str, Any] | None,
    ) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would share the driver's threads
        self.connection: Connection
        self.connection, theirs = context.Pipe()
        self.number, self.name = number, f"worker {number + 1}"
        self.job: Job | None = None
        self.held: int | None = None
        self.rows = 0
        """Rows of the job so far."""
        self.given = agreed
        """What the first worker has decided."""
        self._agreed: Mapping[str, Any] | None = None
        self.process = context.Process(
            target=serve,
            args=(theirs, pickle.dumps((order, agreed)), gpu, count),
            daemon=True,
            name=self.name,
        )
        spawn(self.process)
        theirs.close()  # so that its end is seen here

    def ready(self) -> Mapping[str, Any]:
        """Wait until it has opened the stage; return what all must have in common.

        Raises:
            NsfwcapsError: as the worker does.
            _LostError: it has died.
        """
        if self._agreed is None:
            try:
                found = self.connection.recv()
            except (EOFError, OSError):
                raise _LostError from None
            if isinstance(found, Exception):
                raise found
            self._agreed = found
        return self._agreed

    def give(self, job: Job) -> None:
        """Hand over a job; a process that has died is noticed at its answer."""
        self.job, self.rows, self.held = job, 0, job.held
        with contextlib.suppress(OSError):  # its end of the pipe is closed: the answer shows it
            self.connection.send(job)

    def answer(self) -> JobProgress | None:
        """Return its next message; None if it has died.

        Raises:
            NsfwcapsError: as the worker does.
        """
        try:
            found: JobProgress | Exception = self.connection.recv()
        except (EOFError, OSError):
            return None
        if isinstance(found, Exception):
            raise found
        self.rows += found.rows
        if found.done:
            self.job = None
        return found

    def exit_code(self) -> int | None:
        """Return the exit code of a process that is gone."""
        self.process.join(_PATIENCE_S)
        return self.process.exitcode
