"""A database of a review."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from nsfwcaps.review.database import Database


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """An open database in which nothing is yet."""
    opened = Database(str(tmp_path / "review.sqlite"), create=True)
    yield opened
    opened.close()
