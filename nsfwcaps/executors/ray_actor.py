"""The actor of one Ray worker: it opens a stage and does jobs on a thread, until the driver ends.

    look ─ receive, if it does not see the run's folder ─ open ─ begin, news, news … begin, news …

Answers are values, also errors: Ray would wrap an exception that is raised. Each call returns
within a second, except while a model loads. So the driver sees progress, and has one call open with
each actor.

This module does not import Ray: the driver makes an actor class of it. Workers import it from the
nsfwcaps that is installed on their machine, or that the Ray job itself has brought; the driver
uploads no code, as a copy of the working folder would neither have the dependencies nor be small.
"""

from __future__ import annotations

import os
import queue
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from nsfwcaps.errors import ModelError
from nsfwcaps.executors.executor import Job, portable
from nsfwcaps.executors.mirror import FilePiece, RunMirror, SentShard, check_paths, check_pictures
from nsfwcaps.executors.order import Order
from nsfwcaps.executors.process_of_worker import limit_threads
from nsfwcaps.executors.worker import Worker
from nsfwcaps.version import __version__

_INTERVAL_S = 0.5
"""Between two answers on the progress of a job."""

Found = TypeVar("Found")


@dataclass(frozen=True, kw_only=True)
class ActorSight:
    """What a worker says of itself."""

    host: str
    sees_run: bool
    """Whether the run's folder of the driver is there too."""


@dataclass(frozen=True, kw_only=True)
class News:
    """Progress of a job since the last answer."""

    rows: int
    done: bool
    shards: Sequence[SentShard] = ()
    """What the driver is to write, where there is no common folder."""


class RayActor:
    """Holds a worker."""

    def __init__(self, threads: int, gpus: float, folder: str) -> None:
        """Limit the process to its share, before it uses any. Loads nothing.

        `folder` is that in which the driver runs: paths of settings may be relative.
        """
        with suppress(OSError):
            os.chdir(folder)
        limit_threads(threads)  # Ray does so too, unless the node's environment has other numbers
        if gpus == 0:
            os.environ["CUDA_VISIBLE_DEVICES"] = ""  # Ray leaves all GPUs visible
        self._mirror: RunMirror | None = None
        self._worker: Worker | None = None
        self._messages: queue.SimpleQueue[int | Exception | None] = queue.SimpleQueue()

    def look(self, version: str, token: str, content: bytes, *, shared: bool | None) -> Any:
        """Say where the actor is, and whether it sees a file that the driver has just written.

        `shared` decides that instead, if it is given.
        """

        def seen() -> ActorSight:
            if version != __version__:
                raise ModelError(
                    f"has nsfwcaps {__version__}, the driver {version}; install the same version "
                    "on all machines"
                )
            sees = _reads(Path(token), content) if shared is None else shared
            if not sees:
                self._mirror = RunMirror()
            return ActorSight(host=socket.gethostname(), sees_run=sees)

        return _answered(seen)

    def receive(self, pieces: Sequence[FilePiece]) -> Any:
        """Write files of the run to the mirror."""
        assert self._mirror is not None, "it sees the run's folder"
        mirror = self._mirror
        return _answered(lambda: mirror.receive(pieces))

    def open(self, order: Order, agreed: Mapping[str, Any] | None, outside: Sequence[str]) -> Any:
        """Open a stage; return what all workers must have in common.

        `outside` are files and folders, not of the run, that it must see.
        """

        def opened() -> dict[str, Any]:
            here = order
            if self._mirror is not None:
                here = replace(order, workdir=str(self._mirror.path))
            check_paths(outside)
            check_pictures(here)
            self._worker = Worker(here, agreed)
            return self._worker.agreed

        return _answered(opened)

    def begin(self, job: Job) -> Any:
        """Begin a job; return the first news of it."""
        threading.Thread(target=self._make, args=(job,), daemon=True).start()
        return self.news()

    def news(self) -> Any:
        """Wait for a while; return what was done meanwhile, or the error that ended the job."""
        rows, done, until = 0, False, time.monotonic() + _INTERVAL_S
        while not done:
            try:
                message = self._messages.get(timeout=max(0.0, until - time.monotonic()))
            except queue.Empty:
                break
            if isinstance(message, Exception):
                return message
            done, rows = message is None, rows + (message or 0)
        return _answered(lambda: self._news(rows, done))

    def close(self) -> None:
        """Remove the mirror."""
        if self._mirror is not None:
            self._mirror.remove()

    def _make(self, job: Job) -> None:
        assert self._worker is not None, "open() comes first"
        worker = self._worker

        def make() -> None:
            worker.make(job.phase, job.part, self._messages.put)

        self._messages.put(_answered(make))

    def _news(self, rows: int, done: bool) -> News:
        assert self._worker is not None, "open() comes first"
        shards: Sequence[SentShard] = ()
        if self._mirror is not None:
            shards, all_sent = self._mirror.unsent(self._worker.folder)
            if done and not all_sent:
                self._messages.put(None)  # so it is done in a later answer
                done = False
        return News(rows=rows, done=done, shards=shards)


def _answered(work: Callable[[], Found]) -> Found | Exception:
    """Return a result, or an error that another process can raise."""
    try:
        return work()
    except Exception as error:
        return portable(error)


def _reads(token: Path, content: bytes) -> bool:
    try:
        return token.read_bytes() == content
    except OSError:
        return False
