"""Encoders without a model, for processes that must start fast."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from support.chosen_vectors import ChosenVectors, at

from nsfwcaps.encoders.encoder import Encoded
from nsfwcaps.encoders.keeping import Keeper
from nsfwcaps.errors import ModelError

VECTORS = {f"a vase on shelf {number}": at(number) for number in range(64)}


class Slow(ChosenVectors):
    """It takes a minute for each call."""

    def encode_text(self, captions: Sequence[str], advance: Callable[[int], None]) -> Encoded:
        time.sleep(60)
        return super().encode_text(captions, advance)


class Failing(ChosenVectors):
    """It does not know a caption, which is a fault of the program."""

    def encode_text(self, captions: Sequence[str], advance: Callable[[int], None]) -> Encoded:
        rows = [self.text[caption] for caption in captions]
        assert rows
        return super().encode_text(captions, advance)


class Unsendable(ChosenVectors):
    """Its answer about truncation cannot be sent."""

    def truncated(self, captions: Sequence[str]) -> Any:
        return Refusing(captions[0])


class Refusing:
    """An object that fails where it is named: `pickled` or `loaded`, or for memory `lacking`."""

    def __init__(self, at: str) -> None:
        self.at = at

    def __reduce__(self) -> tuple[Callable[[], None], tuple[()]]:
        if self.at == "lacking":
            raise MemoryError
        if self.at == "pickled":
            raise TypeError("it cannot be pickled")
        return refuse, ()


def refuse() -> None:
    raise ValueError("it cannot be loaded")


class Overlapping(ChosenVectors):
    """It answers once two calls have begun."""

    def __init__(self) -> None:
        super().__init__(VECTORS)
        self._two = threading.Barrier(2)

    def started(
        self, captions: Sequence[str], advance: Callable[[int], None], keeper: Keeper | None = None
    ) -> Callable[[], Encoded]:
        encoded = self.encode_text(captions, advance)
        begun = threading.Thread(target=self._two.wait, args=(30,), daemon=True)
        begun.start()

        def answer() -> Encoded:
            begun.join()
            if self._two.broken:
                raise TimeoutError("no other call has begun")
            return encoded

        return answer


def light() -> ChosenVectors:
    return ChosenVectors(VECTORS)


def failing() -> Failing:
    return Failing(VECTORS)


def slow() -> Slow:
    return Slow(VECTORS)


def unsendable() -> Unsendable:
    return Unsendable(VECTORS)


def tight() -> ChosenVectors:
    """Leave the process 60 MB of memory."""
    import resource
    from pathlib import Path

    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + 60_000_000
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    return light()


def orphaned() -> ChosenVectors:
    """Load until the first process is gone."""
    import os

    first = os.getppid()
    os.write(1, b"loading\n")
    while os.getppid() == first:
        time.sleep(0.01)
    return light()


def overlapping() -> Overlapping:
    return Overlapping()


def by_process() -> ChosenVectors:
    """Other weights in every process."""
    import os

    return ChosenVectors(VECTORS, weights=str(os.getpid()))


def absent() -> ChosenVectors:
    raise ModelError("embed.model: cannot load 'small'")
