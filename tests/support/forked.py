"""The command line in processes that begin with the heavy libraries imported.

A fork server imports them once. What it forks is a process of its own, with its own environment,
output, signals and end; it lacks only the seconds that imports take. `shell.start` starts a
process from nothing.
"""

from __future__ import annotations

import multiprocessing
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable
from multiprocessing.context import ForkServerContext, ForkServerProcess
from multiprocessing.forkserver import set_forkserver_preload
from pathlib import Path

from support.shell import MARKER, Said, environment

from nsfwcaps.stages import STAGES

# None of them starts a thread before it computes; a pool of threads would not survive the fork.
IMPORTED = [
    "nsfwcaps.cli",
    "nsfwcaps.encoders.imported",
    "open_clip",
    "pandas",
    "peft",
    "pyarrow.dataset",
    "scipy.sparse.csgraph",
    "scipy.stats",
    "torch.distributed.launcher.api",
    "torch.utils.tensorboard",
    *(stage.module for stage in STAGES),
]


class Forked:
    """A process as `subprocess.Popen` gives one, whose output is read at its end."""

    def __init__(
        self,
        work: Callable[..., object],
        *arguments: object,
        new_session: bool = False,
    ) -> None:
        """Begin a call of a function that can be pickled."""
        self._files = [tempfile.NamedTemporaryFile() for _ in range(2)]  # noqa: SIM115
        self._process: ForkServerProcess = _server().Process(
            target=_become,
            args=(
                {**environment(), "OMP_NUM_THREADS": "1"},
                [file.name for file in self._files],
                new_session,
                work,
                arguments,
            ),
        )
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired("a forked process", timeout or 0)
        return self.returncode

    def communicate(self, timeout: float = 180) -> tuple[str, str]:
        self.wait(timeout)
        out, err = (Path(file.name).read_text() for file in self._files)
        return out, err

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def said(self) -> Said:
        """What it ended with."""
        out, err = self.communicate()
        assert self.returncode is not None
        assert MARKER not in out + err, "a caption was printed"
        return Said(self.returncode, out, err)


def start(*arguments: object, before: Path | None = None) -> Forked:
    """Start the command line, and a script before it."""
    return Forked(_command, str(before or ""), *map(str, arguments))


def launch(*arguments: object, processes: int, before: Path | None = None) -> Forked:
    """Start the command line by torchrun, and in each process a script before it."""
    given = [str(before or ""), *map(str, arguments)]
    return Forked(_torchrun, processes, *given, new_session=True)


def _server() -> ForkServerContext:
    set_forkserver_preload(IMPORTED)
    return multiprocessing.get_context("forkserver")


def _become(
    variables: dict[str, str],
    files: list[str],
    new_session: bool,
    work: Callable[..., object],
    arguments: tuple[object, ...],
) -> None:
    """Take on what a new process would begin with, and work."""
    os.environ.clear()
    os.environ.update(variables)
    if new_session:
        os.setsid()
    for number, name in enumerate(files, start=1):
        opened = os.open(name, os.O_WRONLY | os.O_APPEND)
        os.dup2(opened, number)
        os.close(opened)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1) for number in (1, 2))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    work(*arguments)


def _command(before: str, *arguments: str) -> None:
    from nsfwcaps.cli import main

    if before:
        runpy.run_path(before)
    sys.argv = ["nsfwcaps", *arguments]
    main()


def _process(before: str, *arguments: str) -> None:
    from nsfwcaps import cli

    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)  # the one that forked it has handlers of its own
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # Torch waits for what a fork returns; one that ends without a return would not count as done.
    cli.leave = sys.exit
    _command(before, *arguments)


def _torchrun(processes: int, *arguments: str) -> None:
    """As `torchrun --standalone` does it; its processes are forks of this one."""
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id=str(uuid.uuid4()),
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
        start_method="fork",
    )
    elastic_launch(config, _process)(*arguments)
