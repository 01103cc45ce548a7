"""Column mapping of a pool: names known from public data sets, or names the user gave."""

from __future__ import annotations

import difflib
import enum
import re
from collections.abc import Sequence
from dataclasses import dataclass

from nsfwcaps.errors import InputError


class Label(enum.StrEnum):
    """Side of a pair."""

    SAFE = "safe"
    UNSAFE = "unsafe"


_ANY_CAPTION = ("caption", "text", "TEXT", "prompt", "captions")
# Sets with both sides in one row (ViSU-Text, NSFWCaps) put the side in the column name. The bare
# words come last: beside a caption column they are flags.
CAPTION_NAMES = {
    Label.SAFE: ("safe_caption", *_ANY_CAPTION, "safe"),
    Label.UNSAFE: ("nsfw_caption", "unsafe_caption", *_ANY_CAPTION, "nsfw", "unsafe"),
    None: _ANY_CAPTION,
}
IMAGE_NAMES = ("image_path", "filepath", "image", "jpeg")
# Sets with both sides in one row may have an image for each; these precede a bare `image`.
# `safe_image_path` is not listed: in our data sets, such paths belong to another folder.
IMAGE_NAMES_OF_SIDE = {
    Label.SAFE: ("safe_image",),
    Label.UNSAFE: ("unsafe_image", "nsfw_image"),
    None: (),
}
CATEGORY_NAMES = ("category", "chosen_category", "tag")
PARTNER_NAMES = ("partner_id", "safe_caption")
# Ambiguous names: they mean the partner only beside these caption columns.
PARTNER_BESIDE = {
    "nsfw_caption": "caption",
    "unsafe_caption": "caption",
    "nsfw": "safe",
    "unsafe": "safe",
}

_NAME = re.compile(r"[\w.:/-]{1,40}\Z", re.ASCII)

_UNSAFE_WORDS = frozenset({"unsafe", "nsfw", "harmful", "true", "yes", "1"})
_SAFE_WORDS = frozenset({"safe", "sfw", "unlikely", "false", "no", "0"})


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Column names of one pool."""

    caption: str
    image: str | None
    category: str | None
    partner: str | None
    label: str | None


def resolve(
    present: Sequence[str],
    label: Label | None,
    *,
    where: str,
    caption: str | None = None,
    image: str | None = None,
    category: str | None = None,
    partner: str | None = None,
    label_column: str | None = None,
) -> Columns:
    """Map a pool's columns. Safe captions have no partner.

    Raises:
        InputError: no caption column is recognised, or a named column is missing.
    """
    of_caption = (
        _named(present, caption, where, "caption")
        or _first(present, CAPTION_NAMES[label])
        or _no_caption(present, where)
    )
    of_partner = _named(present, partner, where, "partner") or _first(
        present, (*PARTNER_NAMES, PARTNER_BESIDE.get(of_caption, ""))
    )
    return Columns(
        caption=of_caption,
        image=_named(present, image, where, "image")
        or _first(present, (*IMAGE_NAMES_OF_SIDE[label], *IMAGE_NAMES)),
        category=_named(present, category, where, "category") or _first(present, CATEGORY_NAMES),
        partner=of_partner if label is not Label.SAFE else None,
        label=_named(present, label_column, where, "label") if label is None else None,
    )


def parse_label(value: object) -> Label | None:
    """Parse a label cell: words and flags of public data sets; numbers from 0.5 mean unsafe.

    Returns None if the cell is undecided (LAION's `UNSURE`) or empty.
    """
    if isinstance(value, bool):
        return Label.UNSAFE if value else Label.SAFE
    if isinstance(value, int | float):
        return Label.UNSAFE if value >= 0.5 else Label.SAFE if value < 0.5 else None
    word = str(value).strip().casefold() if value is not None else ""
    if word in _UNSAFE_WORDS:
        return Label.UNSAFE
    if word in _SAFE_WORDS:
        return Label.SAFE
    try:
        return parse_label(float(word))
    except ValueError:
        return None


def _first(present: Sequence[str], names: Sequence[str]) -> str | None:
    return next((name for name in names if name in present), None)


def _named(present: Sequence[str], name: str | None, where: str, what: str) -> str | None:
    if name is None or name in present:
        return name
    close = difflib.get_close_matches(name, [item for item in present if _NAME.match(item)], n=1)
    hint = f"did you mean '{close[0]}'? " if close else ""
    raise InputError(
        f"{where}: no {what} column '{name}'; {hint}available columns: {_listed(present)}"
    )


def _listed(present: Sequence[str]) -> str:
    """List column names for a message, hiding captions mistaken for names in a headerless CSV."""
    names = [name for name in present if _NAME.match(name)]
    if hidden := len(present) - len(names):
        names.append(f"{hidden} hidden that look like text, not names (missing header line?)")
    return ", ".join(names)


def _no_caption(present: Sequence[str], where: str) -> str:
    raise InputError(
        f"{where}: no caption column found; available columns: {_listed(present)}; "
        "choose one with --caption-column"
    )
