"""What a lead has typed on a dispute and not yet decided, kept for that lead."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from nsfwcaps.review import tables
from nsfwcaps.review.log import answers as answering
from nsfwcaps.review.log.answers import Answers

_KEY = "dispute {}"


def kept(connection: sa.Connection, account_id: str, pair_id: str) -> Answers:
    """Return the draft of a pair; empty if there is none."""
    text = connection.scalar(
        sa.select(tables.preference.c.value).where(*_where(account_id, pair_id))
    )
    return answering.from_json({} if text is None else json.loads(text))


def keep(
    connection: sa.Connection, account_id: str, pair_id: str, values: Mapping[str, Any]
) -> None:
    """Add answers to the draft by name; None or an empty text removes one.

    Raises:
        InputError: an answer is invalid.
    """
    before = kept(connection, account_id, pair_id).as_json()
    draft = {name: value for name, value in {**before, **values}.items() if value}
    text = answering.from_json(draft).text()
    drop(connection, account_id, pair_id)
    if draft:
        row = {"account_id": account_id, "key": _KEY.format(pair_id), "value": text}
        connection.execute(sa.insert(tables.preference).values(**row))


def drop(connection: sa.Connection, account_id: str, pair_id: str) -> None:
    """Forget the draft of a pair."""
    connection.execute(sa.delete(tables.preference).where(*_where(account_id, pair_id)))


def _where(account_id: str, pair_id: str) -> list[sa.ColumnElement[bool]]:
    preference = tables.preference
    return [preference.c.account_id == account_id, preference.c.key == _KEY.format(pair_id)]
