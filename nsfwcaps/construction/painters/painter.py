"""What every painter offers: unsafe captions and seeds in, pictures out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from nsfwcaps.detectors import detector

TEXT = "diffusers:"
INPAINT = "diffusers-inpaint:"
WORLD = "world"
"""How the names of painters begin, or what they are."""


@dataclass(frozen=True, slots=True)
class Subject:
    """An unsafe caption to be drawn, and the safe caption that it was made from, by their ids."""

    id: str
    caption: str
    safe_id: str
    safe_caption: str


@dataclass(frozen=True, slots=True)
class DrawRequest:
    """A picture to draw, and the image of the safe caption where the painter starts from it."""

    subject: Subject
    seed: int
    safe_image: bytes | None = None


@dataclass(frozen=True, kw_only=True)
class PainterStatement:
    """What a painter is; it goes into the cards."""

    name: str
    """Without the place where it lies."""
    how: str
    """What it does, in words."""
    licence: str
    settings: Mapping[str, Any]


class Painter(Protocol):
    """Draws the pictures."""

    ending: str
    """Of its files' names, with the dot."""
    needs_safe_image: bool
    """Whether it starts from the image of the safe caption."""

    @property
    def statement(self) -> PainterStatement:
        """What it is."""
        ...

    @property
    def identity(self) -> str:
        """Digest of all that decides a picture beside caption, safe image and seed."""
        ...

    def refusal(self, subject: Subject, safe_image: bytes | None) -> str | None:
        """Why it cannot draw a subject, or None."""
        ...

    def paint(self, wanted: Sequence[DrawRequest]) -> list[bytes]:
        """Draw n pictures: their files, in order.

        Raises:
            ModelError: memory does not suffice.
        """
        ...


@runtime_checkable
class KnowingPainter(Painter, Protocol):
    """A painter that knows what is in its pictures, and so is a judge of them.

    A model is none: that it was asked for a thing does not put it into the picture.
    """

    @property
    def judge(self) -> detector.DetectorStatement:
        """What it is as a judge."""
        ...

    def truth(self, subject: Subject) -> float:
        """Probability, 0 or 1, that its pictures of the subject are unsafe."""
        ...


def seed_of(seed: int, subject: str, attempt: int) -> int:
    """Seed of a subject's n-th attempt: a number below 2**31, as pipelines take it."""
    key = f"{seed}:{subject}:{attempt}".encode()
    return int.from_bytes(hashlib.blake2b(key, digest_size=4).digest(), "big") >> 1
