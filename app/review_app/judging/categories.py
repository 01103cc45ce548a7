"""One key for each category, the same in the whole review."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from nsfwcaps.review.database import Database, get_meta, set_meta
from nsfwcaps.review.people.keys import CATEGORY_KEYS

_KEPT = "category_keys"


def commands(database: Database, categories: Sequence[str]) -> dict[str, str]:
    """Return the command that answers with each category, for those that have a key.

    Keys are given in the order in which categories first came up, and never change hands.
    """
    with database.read() as connection:
        kept = _kept(connection)
    if any(name not in kept for name in categories) and len(kept) < len(CATEGORY_KEYS):
        kept = _extended(database, categories)
    return {name: f"category {key}" for name, key in kept.items()}


def _extended(database: Database, categories: Sequence[str]) -> dict[str, str]:
    with database.write() as connection:
        kept = _kept(connection)
        free = [key for key in CATEGORY_KEYS if key not in kept.values()]
        new = [name for name in categories if name not in kept]
        kept |= dict(zip(new, free, strict=False))
        set_meta(connection, _KEPT, kept)
    return kept


def _kept(connection: sa.Connection) -> dict[str, str]:
    return dict(get_meta(connection, _KEPT) or {})
