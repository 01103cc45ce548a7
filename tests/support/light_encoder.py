"""Encoders without a model, for processes that must start fast."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from support.chosen_vectors import ChosenVectors, at

from nsfwcaps.encoders.encoder import Encoded
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


def light() -> ChosenVectors:
    return ChosenVectors(VECTORS)


def failing() -> Failing:
    return Failing(VECTORS)


def slow() -> Slow:
    return Slow(VECTORS)


def by_process() -> ChosenVectors:
    """Other weights in every process."""
    import os

    return ChosenVectors(VECTORS, weights=str(os.getpid()))


def absent() -> ChosenVectors:
    raise ModelError("embed.model: cannot load 'small'")
