"""What every editor offers: a safe caption and a category in, an unsafe caption or a reason out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from nsfwcaps.enums import Category


@dataclass(frozen=True, slots=True)
class EditRequest:
    """A safe caption to be edited, under its content id."""

    id: str
    caption: str
    category: Category


@dataclass(frozen=True, slots=True)
class Proposal:
    """An edited caption, and the element that makes it unsafe, as the caption words it."""

    caption: str
    element: str
    template: str | None = None
    """How it was put in, where the editor has fixed ways."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """No edited caption, and why."""

    reason: str


Answer = Proposal | Refusal


@dataclass(frozen=True, kw_only=True)
class EditorStatement:
    """What an editor is; it stands in the card, and all that decides its answers is in it."""

    name: str
    version: str
    only_inserts: bool
    """Whether it promises to keep every word of the safe caption."""


class Editor(Protocol):
    """Writes the unsafe captions."""

    @property
    def statement(self) -> EditorStatement:
        """What it is."""
        ...

    @property
    def models(self) -> Sequence[str]:
        """Names by which the models that answered have called themselves, sorted."""
        ...

    def edit(self, requests: Sequence[EditRequest], advance: Callable[[int], None]) -> list[Answer]:
        """Answer n requests, in order; `advance` hears how many are done.

        Raises:
            ModelError: the editor cannot go on; what it has answered is not lost.
        """
        ...
