"""The process of one device: it loads a model and answers requests, one after the other."""

from __future__ import annotations

import os
import queue
import signal
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

from nsfwcaps.encoders.encoder import Encoder
from nsfwcaps.errors import NsfwcapsError
from nsfwcaps.runtime.behind import behind
from nsfwcaps.runtime.cores import cores

_AT_WORK = 1
"""Requests whose answers may wait behind another one."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to do with a piece: `text`, `images` or `truncated`."""

    kind: str
    inputs: Any
    """Captions, or pairs of a hash and bytes, None if they cannot be read."""


def serve(connection: Connection, load: Callable[[], Encoder], gpu: int | None, count: int) -> None:
    """Load a model on a GPU, or on the CPU, and answer requests until the first process ends.

    Answers are `Encoded`, a mask, or an exception, in order. They are sent behind: the device is at
    work on the next request meanwhile. `count` is the number of processes that share the cores.
    """
    # Ctrl-C reaches all processes of a terminal: the first one reports it and ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if gpu is not None:
        _see_only(gpu)
    try:
        import torch

        torch.set_num_threads(max(1, cores() // count))
        encoder = load()
    except Exception as error:
        connection.send(_portable(error))
        return
    connection.send((encoder.identity, encoder.device))
    requests: queue.Queue[Request | Exception] = queue.Queue(maxsize=1)
    threading.Thread(target=_receive, args=(connection, encoder, requests), daemon=True).start()
    with behind(_AT_WORK) as later:
        while True:
            found = _answering(encoder, requests.get())
            later(partial(_send, connection, found))


def _see_only(gpu: int) -> None:
    """Hide the other GPUs from this process, before it uses CUDA: all its threads use this one."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    os.environ["CUDA_VISIBLE_DEVICES"] = visible.split(",")[gpu] if visible else str(gpu)


def _receive(
    connection: Connection, encoder: Encoder, requests: queue.Queue[Request | Exception]
) -> None:
    """Take requests, and tokenise captions ahead."""
    while True:
        try:
            request: Request = connection.recv()
        except (EOFError, OSError):
            os._exit(0)  # the first process is gone, and nobody waits for the work under way
        try:
            if request.kind == "text":
                request = Request(kind="text", inputs=encoder.prepared(request.inputs))
            requests.put(request)
        except Exception as error:
            requests.put(_portable(error))


def _answering(encoder: Encoder, request: Request | Exception) -> Callable[[], Any]:
    """Send the request to the device; the function returned waits for the answer."""
    if isinstance(request, Exception):
        return lambda: request
    try:
        if request.kind == "text":
            return encoder.started(request.inputs, _unheard)
        if request.kind == "images":
            images = [(sha256, _Content(data)) for sha256, data in request.inputs]
            answer: Any = encoder.encode_images(images, _unheard)
        else:
            answer = encoder.truncated(request.inputs)
    except Exception as error:
        answer = _portable(error)
    return lambda: answer


def _send(connection: Connection, found: Callable[[], Any]) -> None:
    """Wait for an answer, and send it."""
    try:
        answer = found()
    except Exception as error:
        answer = _portable(error)
    connection.send(answer)


@dataclass(frozen=True)
class _Content:
    """Bytes that the first process has read."""

    data: bytes | None

    def __call__(self) -> bytes:
        if self.data is None:
            raise FileNotFoundError
        return self.data


def _portable(error: Exception) -> Exception:
    """Return an error that another process can raise; of an unexpected one, the traceback."""
    if isinstance(error, NsfwcapsError):
        return error
    return RuntimeError("".join(traceback.format_exception(error)))


def _unheard(rows: int) -> None:
    """Ignore progress: the first process counts pieces."""
