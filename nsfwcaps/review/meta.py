"""Single values of a review, such as its policy and the digest of its data set, as JSON."""

from __future__ import annotations

import json
from typing import Any

import sqlalchemy as sa

from nsfwcaps.review import tables


def get_meta(connection: sa.Connection, key: str) -> Any:
    """Return the value stored by `set_meta`, or None."""
    text = connection.scalar(sa.select(tables.meta.c.value).where(tables.meta.c.key == key))
    return None if text is None else json.loads(text)


def set_meta(connection: sa.Connection, key: str, value: Any) -> None:
    """Store a JSON value under a key."""
    text = json.dumps(value, sort_keys=True)
    done = connection.execute(
        sa.update(tables.meta).where(tables.meta.c.key == key).values(value=text)
    )
    if done.rowcount == 0:
        connection.execute(sa.insert(tables.meta).values(key=key, value=text))
