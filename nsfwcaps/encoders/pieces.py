"""Pieces of the work of several processes: who takes which, and their answers."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError, wait
from dataclasses import dataclass
from typing import Any

from nsfwcaps.encoders.encoder import Images
from nsfwcaps.encoders.process_of_encoder import Request

_LISTEN_S = 0.5
"""Python overlooks a Ctrl-C that comes just before a wait, until the wait is over."""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Captions or images for one process; the bytes of images are read when it takes them."""

    kind: str
    inputs: Sequence[Any]
    answer: Future[Any]

    def request(self) -> Request:
        """Return what to send."""
        inputs = _contents(self.inputs) if self.kind == "images" else self.inputs
        return Request(kind=self.kind, inputs=inputs)

    def wait(self) -> Any:
        """Wait for the answer; raise it if it is an error."""
        while not self.answer.done():
            wait([self.answer], _LISTEN_S)
        return self.answer.result()

    def end(self, answer: Any) -> None:
        """Set the answer, which may be an error, unless it has one."""
        with contextlib.suppress(InvalidStateError):
            if isinstance(answer, Exception):
                self.answer.set_exception(answer)
            else:
                self.answer.set_result(answer)


class Pieces:
    """Pieces that no process has taken, in order. Processes without any go first."""

    def __init__(self) -> None:
        self._left: deque[Piece] = deque()
        self._idle = 0
        self._changed = threading.Condition()

    def put(self, piece: Piece) -> None:
        """Add a piece."""
        with self._changed:
            self._left.append(piece)
            self._changed.notify()

    def wait(self) -> Piece:
        """Take the next piece, for a process that has none."""
        with self._changed:
            self._idle += 1
            self._changed.wait_for(lambda: self._left)
            self._idle -= 1
            return self._left.popleft()

    def another(self) -> Piece | None:
        """Take a piece that no idle process needs, if there is one."""
        with self._changed:
            return self._left.popleft() if len(self._left) > self._idle else None


def _contents(images: Images) -> list[tuple[str, bytes | None]]:
    """Read images; None where it cannot be read."""

    def content(get: Callable[[], bytes]) -> bytes | None:
        try:
            return get()
        except OSError:
            return None

    return [(sha256, content(get)) for sha256, get in images]
