"""The real command that serves the page."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from support.shell import environment

LONGEST_S = 30


@dataclass
class Server:
    """`nsfwcaps review` of a run, as a process of its own."""

    folder: Path
    options: tuple[str, ...] = ()
    port: int = 0
    process: subprocess.Popen[bytes] | None = None
    variables: dict[str, str] = field(default_factory=dict)
    proxy: str = ""
    host: str = "127.0.0.1"

    @property
    def address(self) -> str:
        """Address of the page, for browsers."""
        return self.proxy or f"http://localhost:{self.port}"

    @property
    def database(self) -> str:
        return str(self.folder / "review.sqlite")

    @property
    def said(self) -> str:
        return (self.folder / "said.txt").read_text()

    def start(self) -> Server:
        """Start it, and wait until it says that the page can be opened."""
        self.port = self.port or free_port()
        with (self.folder / "said.txt").open("wb") as out:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "nsfwcaps", "review", "--data", self.folder),
                    *("--db", self.database, "--port", str(self.port), *self.options),
                ],
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**environment(), **self.variables},
            )
        deadline = time.monotonic() + LONGEST_S
        while not self.answers:
            assert self.process.poll() is None, self.said
            assert time.monotonic() < deadline, self.said
            time.sleep(0.1)
        return self

    @property
    def answers(self) -> bool:
        with contextlib.suppress(OSError), socket.create_connection((self.host, self.port), 1):
            return True
        return False

    def close(self) -> None:
        self.end(signal.SIGKILL)

    def end(self, number: int = signal.SIGTERM) -> None:
        """Send it a signal, and wait for its end."""
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(LONGEST_S)
            self.process = None

    @property
    def code(self) -> str:
        """What makes the first account."""
        (found,) = re.findall(r"with the code (\S+)", self.said)
        return str(found)


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("localhost", 0))
        return int(trial.getsockname()[1])
