"""Fixtures of the stages' tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.ingest_place import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """Return an empty folder to write pools into."""
    return Place(tmp_path)
