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
    kept = get_meta(connection, _KEPT) or []
    return {name: f"category {key}" for name, key in zip(kept, CATEGORY_KEYS, strict=False)}


def _extend(database: Database, categories: Sequence[str]) -> None:
    with database.write() as connection:
        kept = list(get_meta(connection, _KEPT) or [])
        kept += [name for name in categories if name not in kept]
        kept = kept[: len(CATEGORY_KEYS)]
        set_meta(connection, _KEPT, kept)
