"""What is at a path: the content that nsfwcaps wrote, or the user's work."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Container
from pathlib import Path

from nsfwcaps.delivery import own_section
from nsfwcaps.files import sha256_file

CARD = ".md"


def sha256(path: Path) -> str | None:
    """Return the sha256 of a file as nsfwcaps wrote it, or None if nothing is there.

    The user's section of a card does not count, nor do line ends of Windows. What is no file, such
    as a folder, has an empty one.
    """
    if not os.path.lexists(path):
        return None
    if not path.is_file():
        return ""
    if path.suffix == CARD and (parts := own_section.split(_text(path))) is not None:
        return hashlib.sha256(parts[0].encode(errors="surrogateescape")).hexdigest()
    return sha256_file(path)


def own_part(path: Path) -> str | None:
    """Return what the user wrote into the section of a card; None without such a part."""
    if path.suffix != CARD or not path.is_file():
        return None
    parts = own_section.split(_text(path))
    return parts[1] if parts is not None and own_section.is_written(parts[1]) else None


def is_edited(path: Path, known: Container[str]) -> bool:
    """Whether something is at a path that has none of the known digests."""
    found = sha256(path)
    return found is not None and found not in known


def lost_keys(old: Path, new: Path) -> list[str]:
    """Return the keys at the top of a card's front matter whose lines differ from the new one's."""
    before, after = _front_matter(old), _front_matter(new)
    return [key for key, line in before.items() if after.get(key) != line]


def _front_matter(card: Path) -> dict[str, str]:
    lines = _text(card).splitlines() if card.suffix == CARD and card.is_file() else []
    if not lines or lines[0].strip() != "---":
        return {}
    found = {}
    for line in lines[1:]:
        if line.strip() == "---":
            break
        key, colon, _ = line.partition(":")
        if colon and key == key.strip():
            found[key] = line.strip()
    return found


def _text(path: Path) -> str:
    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as file:
        return file.read()
