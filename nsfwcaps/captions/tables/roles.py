"""Roles of a pool's columns: as the user named them, and as they were found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Named:
    """Columns that the user named."""

    caption: str | None = None
    caption_path: str | None = None
    image: str | None = None
    category: str | None = None
    partner: str | None = None
    label: str | None = None
    images: bool = True
    """Whether images are read at all."""
    splits: frozenset[str] = frozenset()
    """Splits to read, by their usual names; empty: all, whatever a column `split` says."""
    by_side: bool = True
    """Whether the command has an option for the captions of each side."""


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Column names of one pool, as the pool spells them."""

    caption: str
    image: str | None
    category: str | None
    partner: str | None
    label: str | None
    flag: str | None = None
    """Column that says safe or unsafe, in a pool of one side."""
    split: str | None = None
    """Column with the split of each row, if only some splits are read."""
    splits: frozenset[str] = frozenset()
    path: tuple[str, ...] = ()
    """Keys from the caption's cell to the captions in it."""
    listed: bool = False
    """Whether cells of text hold a list of captions, as JSON or as Python prints it."""
    ignored: tuple[str, ...] = ()
    images_elsewhere: bool = False
    """Whether the images may lie in another folder, so that none found means captions alone."""
    notes: Mapping[str, str] = field(default_factory=dict)

    @property
    def used(self) -> list[str]:
        """Columns to read."""
        names = (
            *(self.caption, self.image, self.category, self.partner, self.label, self.flag),
            self.split,
        )
        return [name for name in dict.fromkeys(names) if name is not None]
