"""Bringing a review database of an earlier version up to date, without losing a row.

Versions only ever add tables and columns with a default, so the difference to `tables.metadata` is
all there is to do.
"""

from __future__ import annotations

import json

import sqlalchemy as sa
from sqlalchemy.schema import CreateColumn

from nsfwcaps.review import tables

EARLIER = (1,)
"""Versions that can be brought up to date."""


def migrate(connection: sa.Connection) -> None:
    """Add what is missing, within a write transaction; do nothing if nothing is."""
    tables.metadata.create_all(connection)  # whole tables that are missing
    there = sa.inspect(connection)
    for table in tables.metadata.sorted_tables:
        known = {column["name"] for column in there.get_columns(table.name)}
        for column in table.columns:
            if column.name not in known:
                added = CreateColumn(column).compile(dialect=connection.dialect)
                connection.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN {added}")
    version = tables.meta.c.key == "version"
    connection.execute(
        sa.update(tables.meta).where(version).values(value=json.dumps(tables.VERSION))
    )
