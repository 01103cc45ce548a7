"""Connecting to Ray: what is missing or does not answer is said in one line, at once."""

from __future__ import annotations

import importlib.util
import socket
import threading
from typing import Any

import pytest

from nsfwcaps.enums import Device, ExecutorKind
from nsfwcaps.errors import DeviceError, ModelError
from nsfwcaps.executors.ray_cluster import RayExecutor
from nsfwcaps.executors.ray_connection import connected
from nsfwcaps.executors.settings import ExecutionSettings

pytest.importorskip("ray")


@pytest.fixture
def other_server() -> Any:
    """A server that speaks HTTP, but is not Ray."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(100)
                connection.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield server.getsockname()[1]


@pytest.mark.parametrize("scheme", ["", "ray://"])
def test_address_of_something_else(scheme: str, other_server: int) -> None:
    with (
        pytest.raises(
            DeviceError,
            match=rf"^what answers at {scheme}127\.0\.0\.1:{other_server} is not a Ray cluster; ",
        ),
        connected(f"{scheme}127.0.0.1:{other_server}"),
    ):
        pass


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:1", r"no Ray cluster answers at 127\.0\.0\.1:1 \(Connection refused\); see"),
        ("ray://127.0.0.1:1", r"no Ray cluster answers at ray://127\.0\.0\.1:1 \(Connection"),
        ("head.invalid:6379", r"no Ray cluster answers at head\.invalid:6379 \("),
        ("head", r"^head: expected auto, HOST:PORT or ray://HOST:PORT as the address"),
        ("s3://bucket:1", r"^s3://bucket:1: expected auto, HOST:PORT or ray://HOST:PORT"),
    ],
)
def test_address_without_a_cluster(address: str, message: str) -> None:
    with pytest.raises(DeviceError, match=message), connected(address):
        pass


def test_address_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:1")
    for address in (None, "auto"):
        with pytest.raises(DeviceError, match=r"answers at 127\.0\.0\.1:1 "), connected(address):
            pass


def test_ray_that_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *of: None if name == "ray" else find(name, *of)
    )
    with pytest.raises(
        ModelError,
        match=r"^--executor ray needs the package 'ray', which is not installed; run 'pip install "
        r'"nsfwcaps\[ray\]"\'$',
    ):
        RayExecutor(ExecutionSettings(executor=ExecutorKind.RAY), Device.CPU)
