"""A connection to Ray: a cluster that others have started, or one on this machine for this run.

Ray waits for minutes for an address that does not answer, so this module asks first.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

from nsfwcaps import extras
from nsfwcaps.errors import DeviceError, ModelError, NsfwcapsError, first_line
from nsfwcaps.executors.private_folder import PrivateFolder
from nsfwcaps.runtime.cores import cores

_ADDRESS = "RAY_ADDRESS"
"""Environment variable that names a cluster, as Ray itself and `ray job submit` have it."""
_ANSWER_S = 10.0
_STORE_BYTES = 80 << 20
"""Shared memory of a cluster on this machine, the least that Ray accepts: workers write files."""
_MOST_FOLDER = 16
"""Ray's sockets lie in its folder, and their paths may have 107 characters."""
# What a server sends first over HTTP/2, which Ray's speak: frame of type 4, SETTINGS.
_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
_FRAME_BYTES, _TYPE, _SETTINGS = 9, 3, 4


@contextmanager
def connected(address: str | None) -> Iterator[Any]:
    """Connect to Ray and yield its module; a connection that is open already is used and left open.

    Raises:
        ModelError: Ray is not installed, or the cluster has another version of it.
        DeviceError: the cluster does not answer.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no statistics leave this machine
    os.environ.setdefault("RAY_ENABLE_UV_RUN_RUNTIME_ENV", "0")  # nor is the working folder sent
    ray = extras.load("ray", "ray", "--executor ray")
    if ray.is_initialized():
        yield ray
        return
    address = address or os.environ.get(_ADDRESS) or "local"
    if address == "auto":
        address = os.environ.get(_ADDRESS) or address
    with _own_sigterm():
        try:
            with _local(ray) if address == "local" else _joined(ray, address):
                _end_by_sigterm()
                yield ray
        finally:
            ray.shutdown()


@contextmanager
def _local(ray: Any) -> Iterator[None]:
    """Start a cluster of this machine alone, in a folder that is removed."""
    root = tempfile.gettempdir()
    folder = PrivateFolder("nsfwcaps-ray-", Path(root if len(root) <= _MOST_FOLDER else "/tmp"))
    try:
        with _one_line("Ray cannot start on this machine"):
            ray.init(
                address="local",
                num_cpus=cores(),
                include_dashboard=False,
                object_store_memory=_STORE_BYTES,
                log_to_driver=False,
                logging_level=logging.ERROR,
                _node_ip_address="127.0.0.1",
                _temp_dir=str(folder.path),
            )
        yield
    finally:
        ray.shutdown()
        folder.remove()


@contextmanager
def _joined(ray: Any, address: str) -> Iterator[None]:
    _require_answer(address)
    where = "on this machine" if address == "auto" else f"at {address}"
    with _one_line(f"no Ray cluster {where} can be joined"):
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    yield


def _require_answer(address: str) -> None:
    """Raise an error unless a server that may be Ray's listens at an address with a port."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdecimal() or "://" in host:
        if address == "auto":
            return
        raise DeviceError(
            f"{address}: expected auto, HOST:PORT or ray://HOST:PORT as the address of a Ray "
            "cluster, such as ray://head:10001"
        )
    advice = "see that it runs (ray status) and that this machine reaches the port"
    host = host.strip("[]")
    try:
        with socket.create_connection((host, int(port)), timeout=_ANSWER_S) as connection:
            if os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true"):
                return
            connection.settimeout(_ANSWER_S)
            connection.sendall(_HELLO)
            answer = connection.recv(_FRAME_BYTES)
    except (OSError, OverflowError) as error:
        why = str(getattr(error, "strerror", None) or error)
        raise DeviceError(f"no Ray cluster answers at {address} ({why}); {advice}") from None
    if len(answer) <= _TYPE or answer[_TYPE] != _SETTINGS:
        raise DeviceError(f"what answers at {address} is not a Ray cluster; {advice}")


@contextmanager
def _one_line(what: str) -> Iterator[None]:
    """Turn what Ray raises as it starts into one line."""
    try:
        # What its own processes print on the way is for developers of Ray.
        with contextlib.redirect_stdout(sys.stderr):
            yield
    except NsfwcapsError:
        raise
    except ImportError as error:
        raise ModelError(f"{what}: {first_line(error)}; run {extras.install('ray')}") from None
    except Exception as error:
        if "ersion mismatch" in str(error):
            said = " ".join(str(error).split())[:400]
            raise ModelError(f"{what}: {said}; install the same versions on all machines") from None
        raise DeviceError(f"{what}: {first_line(error)}") from None


@contextmanager
def _own_sigterm() -> Iterator[None]:
    """Restore what SIGTERM does: Ray sets a handler, and leaves it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _end_by_sigterm() -> None:
    """End by SIGTERM as by Ctrl-C, so that the cluster and its folder go too."""

    def end(number: int, frame: object) -> NoReturn:
        raise KeyboardInterrupt  # Ray's calls turn other exceptions of handlers into errors

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, end)
