"""Single values of a review, such as its policy and the digest of its data set, as JSON."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

from nsfwcaps.errors import ReviewError
from nsfwcaps.review import tables


def get_meta(connection: sa.Connection, key: str) -> Any:
    """Return the value stored by `set_meta`, or None.

    Raises:
        ReviewError: it is not JSON, as something else wrote it.
    """
    text = connection.scalar(sa.select(tables.meta.c.value).where(tables.meta.c.key == key))
    try:
        return None if text is None else json.loads(text)
    except ValueError:
        raise ReviewError(
            f"the database is damaged (meta.{key} is not JSON); restore the latest backup"
        ) from None


def set_meta(connection: sa.Connection, key: str, value: Any) -> None:
    """Store a JSON value under a key."""
    text = json.dumps(value, sort_keys=True)
    done = connection.execute(
        sa.update(tables.meta).where(tables.meta.c.key == key).values(value=text)
    )
    if done.rowcount == 0:
        connection.execute(sa.insert(tables.meta).values(key=key, value=text))
