"""Fixtures that other folders share."""

from __future__ import annotations

from support.vector_fixtures import make_table, unit_rows

__all__ = ["make_table", "unit_rows"]
