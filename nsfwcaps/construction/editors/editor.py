"""The editor interface: a safe caption and a category in, an unsafe caption or a reason out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from nsfwcaps.enums import Category


@dataclass(frozen=True, slots=True)
class EditRequest:
    """A safe caption to edit, its content id, and the category."""

    id: str
    caption: str
    category: Category


@dataclass(frozen=True, slots=True)
class Proposal:
    """An edited caption, and its unsafe element as worded there."""

    caption: str
    element: str
    template: str | None = None
    """How it was inserted, if the editor uses templates."""
    others: tuple[Proposal, ...] = ()
    """Alternatives to this one, if the editor leaves the choice to plausibility."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The reason for not editing a caption."""

    reason: str


Answer = Proposal | Refusal


@dataclass(frozen=True, kw_only=True)
class EditorStatement:
    """Description of an editor for the cards, with everything that determines its answers."""

    name: str
    version: str
    only_inserts: bool
    """Whether it guarantees to keep every word of the safe caption."""


class Editor(Protocol):
    """Writes unsafe captions."""

    @property
    def statement(self) -> EditorStatement:
        """Its description."""
        ...

    @property
    def models(self) -> Sequence[str]:
        """Names that the answering models reported, sorted."""
        ...

    def edit(self, requests: Sequence[EditRequest], advance: Callable[[int], None]) -> list[Answer]:
        """Answer n requests in order; `advance` is called with the number done since the last call.

        Raises:
            ModelError: the editor cannot continue; answers so far are kept.
        """
        ...
