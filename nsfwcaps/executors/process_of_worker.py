"""The process of one worker: it opens a stage and does jobs until the driver ends."""

from __future__ import annotations

import os
import pickle
import signal
import threading
import time
from multiprocessing.connection import Connection

from nsfwcaps.executors.executor import Job, JobProgress, portable
from nsfwcaps.runtime.cores import cores
from nsfwcaps.runtime.visible_gpus import see_only

_INTERVAL_S = 0.5
"""Between two messages of progress."""
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def serve(connection: Connection, opened: bytes, gpu: int | None, count: int) -> None:
    """Open a stage on a GPU, or on the CPU, and do jobs.

    Answers are what all must have in common, then messages of progress; or an exception.
    `opened` is a pickled order with what the first worker decided; `count` is the number of
    processes that share the cores.
    """
    # Ctrl-C reaches all processes of a terminal: the driver reports it and ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    share_machine(gpu, count)
    try:
        from nsfwcaps.executors.worker import Worker

        worker = Worker(*pickle.loads(opened))
        connection.send(worker.agreed)
        while True:
            job: Job = connection.recv()
            progress = _Progress(connection, job)
            worker.make(job.phase, job.part, progress.advance)
            progress.done()
    except EOFError:
        return  # the driver has ended
    except Exception as error:
        _send(connection, error)


def share_machine(gpu: int | None, count: int) -> None:
    """Limit this process to one GPU, or its threads to a share of the cores, before it uses any."""
    if gpu is not None:
        see_only(gpu)
    limit_threads(max(1, cores() // count))


def limit_threads(count: int) -> None:
    """Limit the threads of numerical libraries that are yet to be imported."""
    for name in _THREADS:
        os.environ[name] = str(count)


def _end_with(driver: int) -> None:
    """End this process once its driver is gone: nobody waits for the part that it makes."""
    while os.getppid() == driver:
        time.sleep(_INTERVAL_S)
    os._exit(0)


class _Progress:
    """Sends rows to the driver, not too often."""

    def __init__(self, connection: Connection, job: Job) -> None:
        self._connection, self._job = connection, job
        self._rows, self._last = 0, time.monotonic()

    def advance(self, rows: int) -> None:
        self._rows += rows
        if time.monotonic() - self._last >= _INTERVAL_S:
            self._send(done=False)

    def done(self) -> None:
        self._send(done=True)

    def _send(self, *, done: bool) -> None:
        rows, self._rows = self._rows, 0
        self._last = time.monotonic()
        self._connection.send(JobProgress(job=self._job, rows=rows, done=done))


def _send(connection: Connection, error: Exception) -> None:
    try:
        connection.send(portable(error))
    except OSError:
        os._exit(0)  # the driver is gone
