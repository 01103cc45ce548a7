"""The interface shared by text-to-image and image-to-text: towers in, items to judge out."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from nsfwcaps.generation.text_state import TextState
from nsfwcaps.generation.towers import Clip
from nsfwcaps.progress import Progress


class GenerationTask(enum.StrEnum):
    """The direction of generation."""

    TEXT_TO_IMAGE = "text-to-image"
    IMAGE_TO_TEXT = "image-to-text"


@dataclass(frozen=True, kw_only=True)
class GeneratedItem:
    """A generated item: the SHA-256 of its content, and a reader."""

    sha256: str
    read: Callable[[], Any]
    """Returns the bytes of an image, or a text."""


@dataclass(frozen=True, kw_only=True)
class GenerationQueries:
    """Queries posed to every model."""

    name: str
    digest: str
    categories: Sequence[Sequence[str]]
    """Categories of each query, possibly none."""
    noun: str
    """Display name of queries, in the plural."""


@dataclass(frozen=True, kw_only=True)
class Made:
    """Items that one model generated, equally many per query."""

    items: Sequence[Sequence[GeneratedItem]]
    """Items of each query that was not left out."""
    left_out: Mapping[int, str] = field(default_factory=dict)
    """Queries unusable for every model -> reason."""


class Generator(Protocol):
    """A third-party pipeline or model whose CLIP tower can be replaced."""

    task: GenerationTask
    tower: str
    """The CLIP tower it uses."""
    noun: str
    """Display name of its output, in the plural."""
    queries: GenerationQueries

    @property
    def identity(self) -> dict[str, Any]:
        """Everything but the query that determines an item, including the current tower."""
        ...

    @property
    def settings(self) -> dict[str, Any]:
        """Settings shared by all compared models."""
        ...

    def put(self, clip: Clip | TextState | None) -> None:
        """Swap in a model's tower; None restores the original.

        Raises:
            ModelError: the towers differ in architecture.
        """
        ...

    def make(self, folder: Path, progress: Progress) -> Made:
        """Generate all items that an earlier run has not left in the folder."""
        ...
