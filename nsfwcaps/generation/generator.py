"""What text-to-image and image-to-text have in common: towers go in, items to judge come out."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from nsfwcaps.generation.towers import Clip
from nsfwcaps.progress import Progress


class GenerationTask(enum.StrEnum):
    """What is generated from what."""

    TEXT_TO_IMAGE = "text-to-image"
    IMAGE_TO_TEXT = "image-to-text"


@dataclass(frozen=True, kw_only=True)
class GeneratedItem:
    """Something generated: the sha256 of its content, and a way to get at that."""

    sha256: str
    read: Callable[[], Any]
    """The bytes of a picture, or a text."""


@dataclass(frozen=True, kw_only=True)
class GenerationQueries:
    """What is asked of every model."""

    name: str
    digest: str
    categories: Sequence[Sequence[str]]
    """Categories of each query, none or several."""
    noun: str
    """What a query is, for people, in the plural."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """What one model made of the queries: as many items of each of them."""

    items: Sequence[Sequence[GeneratedItem]]
    """Of each query that is not left out."""
    left_out: Mapping[int, str] = field(default_factory=dict)
    """Queries of which nothing can be made by any model, and why."""


class Generator(Protocol):
    """A pipeline or model of others whose tower can be replaced."""

    task: GenerationTask
    tower: str
    """Which of a CLIP model's towers it takes."""
    noun: str
    """What it makes, for people, in the plural."""
    queries: GenerationQueries

    @property
    def identity(self) -> dict[str, Any]:
        """What decides an item beside its query, the tower in place among it."""
        ...

    @property
    def settings(self) -> dict[str, Any]:
        """What all models that are compared have in common."""
        ...

    def put(self, clip: Clip | None) -> None:
        """Put a model's tower in; None puts its own back.

        Raises:
            ModelError: the two are not built alike.
        """
        ...

    def make(self, folder: Path, progress: Progress) -> Made:
        """Make all items, or those that an earlier run has not left in the folder."""
        ...
