"""One key for each category, the same in the whole review."""

from __future__ import annotations

from collections.abc import Sequence

from nsfwcaps.review.database import Database, get_meta, set_meta
from nsfwcaps.review.people.keys import CATEGORY_KEYS

_KEPT = "category_keys"


def commands(database: Database, categories: Sequence[str]) -> dict[str, str]:
    """Return the command that answers with each category, for those that have a key.

    Keys are given in the order in which categories first came up, and never change hands.
    """
    with database.read() as connection:
        kept = list(get_meta(connection, _KEPT) or [])
    if any(name not in kept for name in categories) and len(kept) < len(CATEGORY_KEYS):
        kept = _extended(database, categories)
    return {name: f"category {key}" for name, key in zip(kept, CATEGORY_KEYS, strict=False)}


def _extended(database: Database, categories: Sequence[str]) -> list[str]:
    with database.write() as connection:
        kept = list(get_meta(connection, _KEPT) or [])
        kept += [name for name in categories if name not in kept]
        kept = kept[: len(CATEGORY_KEYS)]
        set_meta(connection, _KEPT, kept)
    return kept
