"""The command that opens the page: what it refuses, and that it leaves no server behind."""

from __future__ import annotations

import signal
import socket
import time
import urllib.error
import urllib.request
from pathlib import Path

from shell import Pools, call, start


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("localhost", 0))
        return int(trial.getsockname()[1])


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://localhost:{port}/_stcore/health", timeout=2) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def test_a_folder_without_a_data_set_is_refused(tmp_path: Path) -> None:
    said = call("review", "--data", tmp_path)
    assert (said.code, said.out) == (4, "")
    assert "holds no published data set" in said.err


def test_a_port_in_use_is_refused(pools: Pools, workdir: Path) -> None:
    assert call("build", "--out", workdir, *pools.options).code == 0
    with socket.socket() as taken:
        taken.bind(("localhost", 0))
        taken.listen()
        said = call("review", "--data", workdir, "--port", taken.getsockname()[1])
    assert (said.code, said.out) == (2, "")
    assert "choose another with --port" in said.err


def test_stopping_the_command_stops_the_server(pools: Pools, workdir: Path) -> None:
    assert call("build", "--out", workdir, *pools.options).code == 0
    port = free_port()
    process = start("review", "--data", workdir, "--port", port)
    deadline = time.monotonic() + 60
    while not answers(port) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert answers(port)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert not answers(port)
