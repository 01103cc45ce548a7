"""Which column of a pool holds what: recognised names of public data sets, or the user's word."""

from __future__ import annotations

import difflib
import enum
import re
from collections.abc import Sequence
from dataclasses import dataclass

from nsfwcaps.errors import InputError


class Label(enum.StrEnum):
    """Which side of a pair a caption can be."""

    SAFE = "safe"
    UNSAFE = "unsafe"


_ANY_CAPTION = ("caption", "text", "TEXT", "prompt", "captions")
# Sets that hold both sides in one row (ViSU-Text, NSFWCaps) name the side in the column. The bare
# words come last: beside a caption they are flags.
CAPTION_NAMES = {
    Label.SAFE: ("safe_caption", *_ANY_CAPTION, "safe"),
    Label.UNSAFE: ("nsfw_caption", "unsafe_caption", *_ANY_CAPTION, "nsfw", "unsafe"),
    None: _ANY_CAPTION,
}
IMAGE_NAMES = ("image_path", "filepath", "image", "jpeg")
# A set with both sides in one row may have an image for each; they come before a bare `image`.
# `safe_image_path` is not among them: in data sets of ours, paths are those of another folder.
IMAGE_NAMES_OF_SIDE = {
    Label.SAFE: ("safe_image",),
    Label.UNSAFE: ("unsafe_image", "nsfw_image"),
    None: (),
}
CATEGORY_NAMES = ("category", "chosen_category", "tag")
PARTNER_NAMES = ("partner_id", "safe_caption")
# Words that also stand for other things: they name the partner beside these captions only.
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
    """The names found in one pool."""

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
    """Match a pool's columns. Safe captions have no partner.

    Raises:
        InputError: no caption column is recognised, or a named column is not there.
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
    """Label of a cell: words and flags as the public sets write them; numbers from 0.5 are unsafe.

    None where the cell does not say (LAION's `UNSURE`, an empty cell).
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
        f"{where}: no {what} column '{name}'; {hint}its columns are: {_listed(present)}"
    )


def _listed(present: Sequence[str]) -> str:
    """Column names for a message. Without a header line a CSV's first caption stands as a name."""
    names = [name for name in present if _NAME.match(name)]
    if hidden := len(present) - len(names):
        names.append(f"{hidden} not shown that look like text, not names: is the header missing?")
    return ", ".join(names)


def _no_caption(present: Sequence[str], where: str) -> str:
    raise InputError(
        f"{where}: no caption column recognised among: {_listed(present)}; "
        "name it with --caption-column"
    )
