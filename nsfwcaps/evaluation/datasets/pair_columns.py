"""Columns of a pair set, by the names of nsfwcaps, ViSU, NSFWCaps and SafeGround."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nsfwcaps.captions.tables.column_names import CATEGORY_NAMES, spelt
from nsfwcaps.errors import InputError

# Column of the unsafe caption, and names of the safe one beside it.
_CAPTIONS = (
    ("unsafe_caption", ("safe_caption", "caption")),
    ("nsfw_caption", ("caption", "safe_caption")),
    ("unsafe_text", ("safe_text",)),
    ("nsfw_text", ("safe_text",)),
    ("nsfw", ("safe",)),
    ("unsafe", ("safe",)),
)
_UNSAFE_IMAGES = ("unsafe_image", "nsfw_image", "unsafe_image_path", "nsfw_image_path")
_SAFE_IMAGES = (
    *("safe_image", "safe_image_path", "image", "image_path"),
    *("image_coco_url", "coco_url", "filepath"),
)


@dataclass(frozen=True, kw_only=True)
class PairColumns:
    """The columns found in one file."""

    unsafe_caption: str
    safe_caption: str
    unsafe_images: tuple[str, ...]
    """Columns of the unsafe image; the first non-empty cell counts."""
    safe_images: tuple[str, ...]
    category: str | None
    unsafe_id: str | None
    safe_id: str | None
    rank: str | None
    split: str | None
    equivalents: str | None

    @property
    def names(self) -> list[str]:
        """Names of all columns to read."""
        single = (
            *(self.unsafe_caption, self.safe_caption, self.category, self.unsafe_id),
            *(self.safe_id, self.rank, self.split, self.equivalents),
        )
        found = [name for name in single if name is not None]
        return list(dict.fromkeys([*found, *self.unsafe_images, *self.safe_images]))


def resolve(present: Sequence[str], where: str) -> PairColumns:
    """Match the columns of a file.

    Raises:
        InputError: no pair of caption columns is recognised.
    """
    unsafe, safe = _captions(present, where)
    return PairColumns(
        unsafe_caption=unsafe,
        safe_caption=safe,
        unsafe_images=_all_present(present, _UNSAFE_IMAGES),
        safe_images=_all_present(present, _SAFE_IMAGES),
        category=spelt(present, *CATEGORY_NAMES),
        unsafe_id=spelt(present, "unsafe_id"),
        safe_id=spelt(present, "safe_id"),
        rank=spelt(present, "rank"),
        split=spelt(present, "split"),
        equivalents=spelt(present, "equivalent_safe_ids"),
    )


def _captions(present: Sequence[str], where: str) -> tuple[str, str]:
    for unsafe, beside in _CAPTIONS:
        own, safe = spelt(present, unsafe), spelt(present, *beside)
        if own is not None and safe is not None:
            return own, safe
    # Do not print column names: without a header line they are captions.
    raise InputError(
        f"{where}: no caption columns found; expected unsafe_caption and safe_caption (as "
        "nsfwcaps publishes), nsfw_caption and caption (NSFWCaps), or nsfw and safe (ViSU-Text)"
    )


def _all_present(present: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    found = (spelt(present, name) for name in names)
    return tuple(name for name in found if name is not None)
