"""Columns of a pair set, by the names of nsfwcaps, ViSU, NSFWCaps and SafeGround."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from nsfwcaps.captions.tables.column_names import CAPTION_WORDS, CATEGORY_NAMES, folded, spelt
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
_PARTNER_IMAGES = ("partner_image", "partner_image_path")
_SAFE_IMAGES = (
    *("safe_image", "safe_image_path", "image", "image_path"),
    *("image_coco_url", "coco_url", "filepath"),
)
_NO_GROUPS = {
    "pictures or paths": (*_UNSAFE_IMAGES, *_PARTNER_IMAGES, *_SAFE_IMAGES),
    "ids": ("id", "pair_id", "unsafe_id", "safe_id", "partner_id", "equivalent_safe_ids"),
}
"""What columns hold that divide pairs into no groups, and their names."""
_ENDINGS = {"pictures or paths": ("_path", "_image", "_url"), "ids": ("_sha256",)}


@dataclass(frozen=True, kw_only=True)
class PairColumns:
    """The columns found in one file."""

    unsafe_caption: str
    safe_caption: str
    unsafe_images: tuple[str, ...]
    """Columns of the unsafe image; the first non-empty cell counts."""
    safe_images: tuple[str, ...]
    partner_images: tuple[str, ...]
    partner_caption: str | None
    category: str | None
    """Column by whose values figures are also given."""
    unsafe_id: str | None
    safe_id: str | None
    rank: str | None
    split: str | None
    equivalents: str | None
    provenance: str | None

    @property
    def names(self) -> list[str]:
        """Names of all columns to read."""
        single = (
            *(self.unsafe_caption, self.safe_caption, self.category, self.unsafe_id),
            *(self.safe_id, self.rank, self.split, self.equivalents),
            *(self.partner_caption, self.provenance),
        )
        found = [name for name in single if name is not None]
        return list(dict.fromkeys([*found, *self._images]))

    @property
    def _images(self) -> tuple[str, ...]:
        return *self.unsafe_images, *self.safe_images, *self.partner_images


def resolve(present: Sequence[str], where: str, by: str | None = None) -> PairColumns:
    """Match the columns of a file.

    `by` names the column in place of the category, as the data set or as the unsafe pool spells it.

    Raises:
        InputError: no pair of caption columns is recognised, or there is no column `by`.
    """
    unsafe, safe = _captions(present, where)
    return PairColumns(
        unsafe_caption=unsafe,
        safe_caption=safe,
        unsafe_images=_all_present(present, _UNSAFE_IMAGES),
        safe_images=_all_present(present, _SAFE_IMAGES),
        partner_images=_all_present(present, _PARTNER_IMAGES),
        partner_caption=spelt(present, "partner_caption"),
        category=spelt(present, *CATEGORY_NAMES) if by is None else _named(present, by, where),
        unsafe_id=spelt(present, "unsafe_id"),
        safe_id=spelt(present, "safe_id"),
        rank=spelt(present, "rank"),
        split=spelt(present, "split"),
        equivalents=spelt(present, "equivalent_safe_ids"),
        provenance=spelt(present, "provenance"),
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


def _named(present: Sequence[str], by: str, where: str) -> str:
    """Return the column of this name; published sets put the side before a pool's column."""
    found = spelt(present, by, f"unsafe_{by}")
    if found is None:
        raise InputError(
            f"{where}: no column '{by}' (--by), nor 'unsafe_{by}'; found {', '.join(present)}. "
            "Columns of a pool are kept with ingest --keep-columns"
        )
    if folded(found) in CAPTION_WORDS or "caption" in folded(found):
        raise InputError(f"{where}: '{by}' (--by) holds captions; choose a column with few values")
    for what, names in _NO_GROUPS.items():
        if spelt([found], *names) is not None or folded(found).endswith(_ENDINGS[what]):
            raise InputError(
                f"{where}: '{by}' (--by) holds {what}; choose a column with few values"
            )
    return found


def _all_present(present: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    found = (spelt(present, name) for name in names)
    return tuple(name for name in found if name is not None)
