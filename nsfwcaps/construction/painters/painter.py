"""The painter interface: unsafe captions and seeds in, images out."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from nsfwcaps.detectors import detector

TEXT = "diffusers:"
INPAINT = "diffusers-inpaint:"
WORLD = "world"
"""Name prefixes of painters, and the name of the built-in one."""


@dataclass(frozen=True, slots=True)
class Subject:
    """An unsafe caption to draw, and the safe caption behind it, with their ids."""

    id: str
    caption: str
    safe_id: str
    safe_caption: str


@dataclass(frozen=True, slots=True)
class DrawRequest:
    """An image to draw, and the safe image if the painter starts from it."""

    subject: Subject
    seed: int
    safe_image: bytes | None = None


@dataclass(frozen=True, kw_only=True)
class PainterStatement:
    """Description of a painter for the cards."""

    name: str
    """Name without private folders."""
    how: str
    """What it does, in prose."""
    licence: str
    settings: Mapping[str, Any]


class Painter(Protocol):
    """Draws images of unsafe captions."""

    ending: str
    """Suffix of its files, with the dot."""
    needs_safe_image: bool
    """Whether it starts from the image of the safe caption."""

    @property
    def statement(self) -> PainterStatement:
        """Its description."""
        ...

    @property
    def identity(self) -> str:
        """Digest of everything but caption, safe image and seed that determines an image."""
        ...

    def refusal(self, subject: Subject, safe_image: bytes | None) -> str | None:
        """Return the reason why it cannot draw a subject, or None."""
        ...

    def paint(self, wanted: Sequence[DrawRequest]) -> list[bytes]:
        """Draw n images; return their encoded files in order.

        Raises:
            ModelError: out of memory.
        """
        ...


@runtime_checkable
class KnowingPainter(Painter, Protocol):
    """A painter that knows the content of its images, and so can judge them.

    Models do not qualify: being prompted for a thing does not guarantee that it is drawn.
    """

    @property
    def judge(self) -> detector.DetectorStatement:
        """Its description as a judge."""
        ...

    def truth(self, subject: Subject) -> float:
        """Return the probability, 0 or 1, that its images of the subject are unsafe."""
        ...


def seed_of(seed: int, subject: str, attempt: int) -> int:
    """Derive the seed of a subject's n-th attempt, below 2**31 as pipelines require."""
    key = f"{seed}:{subject}:{attempt}".encode()
    return int.from_bytes(hashlib.blake2b(key, digest_size=4).digest(), "big") >> 1
