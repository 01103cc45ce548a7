"""One actor of a crew, as the driver sees it: at most one call is open with it at a time."""

from __future__ import annotations

import enum
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from nsfwcaps.errors import ModelError, NsfwcapsError
from nsfwcaps.executors.executor import Job, JobProgress
from nsfwcaps.executors.mirror import MOST_BYTES, FilePiece
from nsfwcaps.executors.order import Order
from nsfwcaps.executors.ray_actor import ActorSight, News
from nsfwcaps.executors.ray_places import Places
from nsfwcaps.executors.supply import Supply
from nsfwcaps.version import __version__

_AHEAD = 2
"""Messages of files that are on their way to a worker at a time."""


class State(enum.Enum):
    """What an actor is doing."""

    ASKED = "waits for a place"
    SEEN = "waits to open the stage"
    OPENING = "opens the stage"
    FREE = "waits for a job"
    BUSY = "does a job"


class ActorLostError(Exception):
    """An actor, or its node, is gone; the text says why."""


class Member:
    """An actor."""

    def __init__(self, places: Places, place: Any, number: int) -> None:
        self._ray, self._actor = places.ray, places.actor(place)
        self.place = place
        self.number, self.name = number, f"worker {number + 1}"
        self.state = State.ASKED
        self.call: Any = None
        """The open call."""
        self.asked_at = time.monotonic()
        self.job: Job | None = None
        self.held: int | None = None
        self.rows = 0
        """Rows of the job so far."""
        self._mirrored, self._phase = False, ""
        self._sent: set[str] = set()

    def look(self, token: Path, content: bytes, shared: bool | None) -> None:
        """Ask where it is, which it answers once it has a place."""
        self.call = self._actor.look.remote(__version__, str(token), content, shared=shared)

    def seen(self, answer: ActorSight) -> None:
        """Note where it is."""
        self.name = f"{self.name} on {answer.host}"
        self._mirrored = not answer.sees_run
        self.state, self.call = State.SEEN, None

    def open(self, order: Order, agreed: Mapping[str, Any] | None, supply: Supply) -> None:
        """Have it open the stage; send it the files first that it does not see.

        Raises:
            ActorLostError: it is gone.
        """
        if self._mirrored:
            self._send(supply.inputs())
            self._send(supply.shards(self._sent))
        self.state, self.call = (
            State.OPENING,
            self._actor.open.remote(order, agreed, supply.outside),
        )

    def begin(self, job: Job, supply: Supply) -> None:
        """Hand over a job, and shards of phases before it that the actor lacks.

        Raises:
            ActorLostError: it is gone.
        """
        self.job, self.rows, self.held, self.state = job, 0, job.held, State.BUSY
        if self._mirrored and self._phase != job.phase:
            self._send(supply.shards(self._sent))
        self._phase = job.phase
        self.call = self._actor.begin.remote(job)

    def made(self, news: News, supply: Supply) -> JobProgress:
        """Write the shards that it has sent; return its progress."""
        assert self.job is not None, "it was busy"
        self._sent.update(supply.adopt(shard) for shard in news.shards)
        self.rows += news.rows
        made = JobProgress(job=self.job, rows=news.rows, done=news.done)
        if news.done:
            self.job, self.state, self.call = None, State.FREE, None
        else:
            self.call = self._actor.news.remote()
        return made

    def answer(self) -> Any:
        """Return the answer to the open call.

        Raises:
            ActorLostError: it is gone.
            NsfwcapsError: as the worker does.
        """
        return self._got(self.call)

    def leave(self) -> Any:
        """Ask it to remove what it has written outside of the run; return the call, if any."""
        if self._mirrored:
            with suppress(Exception):
                return self._actor.close.remote()
        return None

    def end(self) -> None:
        """End it, also where it is busy or has no place yet."""
        with suppress(Exception):
            self._ray.kill(self._actor, no_restart=True)

    def _send(self, pieces: Iterable[FilePiece]) -> None:
        """Send files, so that only a few of them are in memory at a time."""
        open_calls: list[Any] = []
        for message in _messages(pieces):
            if len(open_calls) == _AHEAD:
                self._got(open_calls.pop(0))
            open_calls.append(self._actor.receive.remote(message))
        for call in open_calls:
            self._got(call)

    def _got(self, call: Any) -> Any:
        errors = self._ray.exceptions
        try:
            found = self._ray.get(call)
        except errors.RayTaskError as error:
            # It answers errors as values, so it could not even read the question.
            raise ModelError(
                f"{self.name} cannot do what the driver asks ({_last_line(error)}); install "
                f"nsfwcaps {__version__} on all machines"
            ) from None
        except errors.RayError as error:
            if "creation task" in str(error):
                raise ModelError(
                    f"{self.name} cannot start ({_last_line(error)}); install nsfwcaps "
                    f"{__version__} with the extra ray on all machines"
                ) from None
            raise ActorLostError(_why(error)) from None
        if isinstance(found, NsfwcapsError):
            raise type(found)(f"{self.name}: {found}")
        if isinstance(found, Exception):
            raise found
        return found


def _messages(pieces: Iterable[FilePiece]) -> Iterator[list[FilePiece]]:
    """Group pieces into messages of about the same size."""
    message: list[FilePiece] = []
    size = 0
    for piece in pieces:
        if message and size + len(piece.data) > MOST_BYTES:
            yield message
            message, size = [], 0
        message.append(piece)
        size += len(piece.data)
    if message:
        yield message


def _why(error: Exception) -> str:
    """Return the first line of why an actor is gone, without the identifiers of Ray."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    told = next((line for line in lines if line.startswith("The actor died")), None)
    return (told or (lines or [type(error).__name__])[0]).removesuffix(".")[:200]


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines or [type(error).__name__])[-1][:200]
