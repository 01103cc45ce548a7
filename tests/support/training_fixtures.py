"""Fixtures of all tests that train: a conftest imports them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.training_place import Place, quickly, shared


@pytest.fixture(scope="module", autouse=True)
def train_quickly() -> Iterator[None]:
    """Train the tiny model in the least time."""
    with quickly():
        yield


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A tiny model and data sets to train it on, shared by all modules."""
    return shared(tmp_path_factory)
