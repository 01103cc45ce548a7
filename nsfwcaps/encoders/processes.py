"""An encoder on several devices of one machine: a process for each, which loads the same model.

    captions ─ pieces ─▶ process of GPU 0 ─▶ rows ─ in order ─▶ rows
                   └───▶ process of GPU 1 ─▶ rows ┘

Any process takes the next piece. While the rows of one are sent back, the device is at work on the
next, and another is tokenised.
"""

from __future__ import annotations

import multiprocessing
import pickle
import threading
import weakref
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from nsfwcaps.encoders.encoder import Encoded, Encoder, Identity, Images
from nsfwcaps.encoders.keeping import Keeper
from nsfwcaps.encoders.pieces import Piece, Pieces
from nsfwcaps.encoders.process_of_encoder import Request, serve
from nsfwcaps.encoders.window import Mask
from nsfwcaps.errors import DeviceError
from nsfwcaps.runtime.spawn import spawn
from nsfwcaps.work import Work, WorkSplit

_PIECE_CAPTIONS = 8192
_PIECE_IMAGES = 256
_AT_HAND = 3
"""Pieces of a process: sending rows, at the device, on their way."""
_PATIENCE_S = 10.0


class SubmittedCaptions(list[str]):
    """Captions `[n]` that the processes are encoding."""

    def __init__(self, captions: Sequence[str], pieces: Sequence[Piece]) -> None:
        super().__init__(captions)
        self.pieces = pieces


class ProcessEncoder:
    """Encoder over one process for each device. Rows and failures are in the order of the inputs.

    Raises:
        NsfwcapsError: a process could not load the model; the error is that of the process.
        DeviceError: a process has ended, or the processes have loaded different weights.
    """

    def __init__(self, load: Callable[[], Encoder], devices: Sequence[int | None]) -> None:
        """Start a process for each GPU number, or for the CPU where it is None.

        `load` is called in each process and must be picklable. It must be of a module: the user's
        script is not run again there.
        """
        self._workers = [_Worker(load, number, len(devices)) for number in devices]
        weakref.finalize(self, _stop, self._workers)
        self._tasks = Pieces()
        self._broken: list[Exception] = []
        try:
            self.identity, self.device = _agreed([worker.ready() for worker in self._workers])
        except BaseException:
            _stop(self._workers)
            raise
        for worker in self._workers:
            feed = (worker, self._tasks, self._broken)
            threading.Thread(target=_feed, args=feed, daemon=True).start()

    def prepared(self, captions: Sequence[str]) -> SubmittedCaptions:
        """Let the processes begin with captions `[n]`."""
        return SubmittedCaptions(captions, self._submit("text", captions, _PIECE_CAPTIONS))

    def encode_text(self, captions: Sequence[str], advance: Callable[[int], None]) -> Encoded:
        """Encode n captions to unit rows `[n, d]`."""
        work = captions if isinstance(captions, SubmittedCaptions) else self.prepared(captions)
        return _joined(work.pieces, self.identity.width, advance)

    def started(
        self,
        captions: Sequence[str],
        advance: Callable[[int], None],
        keeper: Keeper | None = None,
    ) -> Callable[[], Encoded]:
        """Let the processes begin; the function returned waits for them.

        Nothing is kept: a shard of captions takes several GPUs seconds.
        """
        work = captions if isinstance(captions, SubmittedCaptions) else self.prepared(captions)
        return partial(_joined, work.pieces, self.identity.width, advance)

    def encode_images(
        self,
        images: Images,
        advance: Callable[[int], None],
        split: WorkSplit | None = None,
        keeper: Keeper | None = None,
    ) -> Encoded:
        """Encode n images, whose bytes this process reads; all other work counts as computing.

        Nothing is kept: a shard of images takes several GPUs little time.
        """
        with (split or WorkSplit()).timed(Work.COMPUTE):
            pieces = self._submit("images", images, _PIECE_IMAGES)
            return _joined(pieces, self.identity.image_width or 0, advance)

    def truncated(self, captions: Sequence[str]) -> Mask | None:
        """Return a mask `[n]` of the captions longer than its window; None if it cannot know."""
        pieces = self._submit("truncated", captions, _PIECE_CAPTIONS)
        masks = [piece.wait() for piece in pieces]
        if any(mask is None for mask in masks):
            return None
        return np.concatenate([np.empty(0, dtype=np.bool_), *masks])

    def _submit(self, kind: str, inputs: Sequence[Any], most: int) -> list[Piece]:
        size = max(1, min(most, -(-len(inputs) // len(self._workers))))
        pieces = [
            Piece(kind=kind, inputs=list(inputs[start : start + size]), answer=Future())
            for start in range(0, len(inputs), size)
        ]
        ended = [worker.ended() for worker in self._workers if not worker.process.is_alive()]
        for piece in [] if ended else pieces:
            self._tasks.put(piece)
        # `_broken` is looked at last: no process may be left to answer.
        for error in [*self._broken, *ended][:1]:
            for piece in pieces:
                piece.end(error)
        return pieces


class _Worker:
    """A process, seen from the first one."""

    def __init__(self, load: Callable[[], Encoder], gpu: int | None, count: int) -> None:
        context = multiprocessing.get_context("spawn")  # a fork would share the parent's CUDA state
        self.connection: Connection
        self.connection, theirs = context.Pipe()
        self.name = "the CPU" if gpu is None else f"GPU {gpu}"
        self.process = context.Process(
            target=serve,
            args=(theirs, pickle.dumps(load), gpu, count),
            daemon=True,
            name=f"encoder of {self.name}",
        )
        spawn(self.process)
        theirs.close()  # so that its end is seen here

    def ready(self) -> tuple[Identity, str]:
        """Wait until the model is loaded; return its identity and device."""
        try:
            found: tuple[Identity, str] | Exception = self.connection.recv()
        except (EOFError, OSError):
            raise self.ended() from None
        if isinstance(found, Exception):
            raise found
        return found

    def ended(self) -> DeviceError:
        """Return the error of a process that is gone."""
        self.process.join(_PATIENCE_S)
        return DeviceError(
            f"the encoder process of {self.name} has ended (exit code {self.process.exitcode}), "
            "often because the machine's memory was too small: end other programs or lower "
            "--batch-images, and run the same command again: finished shards are kept"
        )

    def lost(self, reason: Exception) -> DeviceError:
        """End a process whose requests or answers cannot be passed on; return the error."""
        self.process.terminate()
        error = DeviceError(
            f"the encoder process of {self.name} can be used no longer: a request or an answer "
            f"could not be passed on ({type(reason).__name__}): end other programs if memory is "
            "short, and run the same command again: finished shards are kept"
        )
        error.__cause__ = reason
        return error


def _feed(worker: _Worker, tasks: Pieces, broken: list[Exception]) -> None:
    """Give a process pieces and take its answers, until it ends."""
    sent: deque[Piece] = deque()
    try:
        while True:
            if not sent:
                taken: Piece | None = tasks.wait()
            else:
                taken = tasks.another() if len(sent) < _AT_HAND else None
            if taken is not None:
                request = _readable(taken)
                if request is not None:
                    sent.append(taken)
                    worker.connection.send(request)
                continue
            answer = worker.connection.recv()
            sent.popleft().end(answer)
    except Exception as reason:
        gone = isinstance(reason, EOFError | OSError)
        error = worker.ended() if gone else worker.lost(reason)
        broken.append(error)
        for piece in sent:
            piece.end(error)
        while (left := tasks.another()) is not None:
            left.end(error)


def _readable(piece: Piece) -> Request | None:
    try:
        return piece.request()
    except Exception as error:
        piece.end(error)
        return None


def _joined(pieces: Sequence[Piece], width: int, advance: Callable[[int], None]) -> Encoded:
    rows = [np.empty((0, width), dtype=np.float32)]
    failed: dict[int, str] = {}
    start = 0
    for piece in pieces:
        encoded: Encoded = piece.wait()
        rows.append(encoded.rows)
        failed |= {start + at: reason for at, reason in sorted(encoded.failed.items())}
        start += len(piece.inputs)
        advance(len(piece.inputs))
    return Encoded(rows=np.concatenate(rows), failed=failed)


def _agreed(found: Sequence[tuple[Identity, str]]) -> tuple[Identity, str]:
    """Return the identity and the device of all processes."""
    if len({identity.digest for identity, _ in found}) > 1:
        raise DeviceError(
            "the processes of the devices have loaded different weights of one model; run the same "
            "command again once its files no longer change"
        )
    return found[0]


def _stop(workers: Sequence[_Worker]) -> None:
    """End all processes."""
    for worker in workers:
        worker.process.terminate()
    for worker in workers:
        worker.process.join(_PATIENCE_S)
        if worker.process.is_alive():
            worker.process.kill()
