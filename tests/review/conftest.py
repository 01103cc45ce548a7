"""A database of a review: SQLite, and PostgreSQL where there is a server to start."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import postgres_server

from nsfwcaps.review.database import Database

_NUMBERS = itertools.count(1)


@pytest.fixture(scope="session")
def server() -> Iterator[postgres_server.Server]:
    """A PostgreSQL server for all tests."""
    if postgres_server.programs() is None:
        pytest.skip(postgres_server.NONE_HERE)
    running = postgres_server.Server()
    yield running
    running.remove()


@pytest.fixture
def postgresql(server: postgres_server.Server) -> Iterator[str]:
    """Address of an empty schema."""
    name = f"test_{next(_NUMBERS)}"
    yield server.make_schema(name)
    server.drop_schema(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a database can be made, of either kind."""
    if request.param == "sqlite":
        return str(tmp_path / "review.sqlite")
    made: str = request.getfixturevalue("postgresql")
    return made


@pytest.fixture
def database(address: str) -> Iterator[Database]:
    """An open database in which nothing is yet."""
    opened = Database(address, create=True)
    yield opened
    opened.close()
