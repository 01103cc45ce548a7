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
        found = of(connection)
    if any(name not in found for name in categories) and len(found) < len(CATEGORY_KEYS):
        _extend(database, categories)
        with database.read() as connection:
            found = of(connection)
    return found


def of(connection: sa.Connection) -> dict[str, str]:
    """Return the commands that categories have so far, by category."""
    return {name: f"category {key}" for name, key in _kept(connection).items()}


def _extend(database: Database, categories: Sequence[str]) -> None:
    with database.write() as connection:
        kept = _kept(connection)
        free = [key for key in CATEGORY_KEYS if key not in kept.values()]
        new = [name for name in categories if name not in kept]
        kept |= dict(zip(new, free, strict=False))
        set_meta(connection, _KEPT, kept)


def _kept(connection: sa.Connection) -> dict[str, str]:
    return dict(get_meta(connection, _KEPT) or {})
