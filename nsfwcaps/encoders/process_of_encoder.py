"""The process of one device: it loads a model and answers requests, one after the other."""

from __future__ import annotations

import os
import pickle
import queue
import signal
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, NoReturn

from nsfwcaps.encoders.encoder import Encoder
from nsfwcaps.errors import NsfwcapsError
from nsfwcaps.runtime.behind import behind
from nsfwcaps.runtime.cores import cores
from nsfwcaps.runtime.visible_gpus import see_only

_AT_WORK = 1
"""Requests whose answers may wait behind another one."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What to do with a piece: `text`, `images` or `truncated`."""

    kind: str
    inputs: Any
    """Captions, or pairs of a hash and bytes, None if they cannot be read."""


def serve(connection: Connection, load: bytes, gpu: int | None, count: int) -> None:
    """Load a model on a GPU, or on the CPU, and answer requests until the first process ends.

    Answers are `Encoded`, a mask, or an exception, in order. They are sent behind: the device is at
    work on the next request meanwhile. `load` is a pickled function that returns the encoder;
    `count` is the number of processes that share the cores.
    """
    # Ctrl-C reaches all processes of a terminal: the first one reports it and ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if gpu is not None:
        see_only(gpu)
    try:
        import torch

        torch.set_num_threads(max(1, cores() // count))
        encoder: Encoder = pickle.loads(load)()
    except Exception as error:
        _send(connection, _portable(error))
        return
    _send(connection, (encoder.identity, encoder.device))
    requests: queue.Queue[Request | Exception] = queue.Queue(maxsize=1)
    threading.Thread(target=_receive, args=(connection, encoder, requests), daemon=True).start()
    with behind(_AT_WORK) as later:
        while True:
            found = _answering(encoder, requests.get())
            later(partial(_answer, connection, found))


def _receive(
    connection: Connection, encoder: Encoder, requests: queue.Queue[Request | Exception]
) -> None:
    """Take requests, and tokenise captions ahead."""
    try:
        while True:
            requests.put(_prepared(encoder, connection.recv_bytes()))
    except BaseException as error:
        _end(error)


def _prepared(encoder: Encoder, message: bytes) -> Request | Exception:
    """Return a request whose captions are tokenised."""
    try:
        request: Request = pickle.loads(message)
        if request.kind == "text":
            return Request(kind="text", inputs=encoder.prepared(request.inputs))
    except MemoryError:
        raise  # the first process reports a process that lacks memory
    except Exception as error:
        return _portable(error)
    return request


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


def _answer(connection: Connection, found: Callable[[], Any]) -> None:
    """Wait for an answer, and send it."""
    try:
        answer = found()
    except Exception as error:
        answer = _portable(error)
    _send(connection, answer)


def _send(connection: Connection, answer: Any) -> None:
    """Send an answer; one that cannot be pickled is an error of its own."""
    try:
        try:
            message = pickle.dumps(answer)
        except MemoryError:
            raise
        except Exception as error:
            message = pickle.dumps(_portable(error))
        connection.send_bytes(message)
    except BaseException as error:
        _end(error)


def _end(error: BaseException) -> NoReturn:
    """End this process, from any thread: it no longer understands the first one.

    If the first process is gone, quietly: nobody waits for the work under way. Otherwise that one
    sees the exit code and reports it.
    """
    os._exit(0 if isinstance(error, (EOFError, OSError)) else 1)


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
