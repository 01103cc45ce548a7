"""Bringing a review database of an earlier version up to date, without losing a row.

Versions only ever add tables and columns with a default, so the difference to `tables.metadata` is
added. Version 1 did not log policy, roles and queue: their present state is logged, once.
"""

from __future__ import annotations

import time

import sqlalchemy as sa
from sqlalchemy.schema import CreateColumn

from nsfwcaps.review import tables
from nsfwcaps.review.chain import state
from nsfwcaps.review.meta import get_meta, set_meta

EARLIER = (1, 2)
"""Versions that can be brought up to date."""


def migrate(connection: sa.Connection) -> bool:
    """Add what is missing, within a write transaction; False if another process has done so."""
    found = get_meta(connection, "version")
    if found not in EARLIER:
        return False
    tables.metadata.create_all(connection)  # whole tables that are missing
    there = sa.inspect(connection)
    for table in tables.metadata.sorted_tables:
        known = {column["name"] for column in there.get_columns(table.name)}
        for column in table.columns:
            if column.name not in known:
                added = CreateColumn(column).compile(dialect=connection.dialect)
                connection.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN {added}")
    set_meta(connection, "version", tables.VERSION)
    if found == 1 and state.has_begun(connection):  # later versions have logged it
        state.begin(connection, time.time())
    return True
