"""Pools for the commands."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.shell import Pools, write_pools


@pytest.fixture
def pools(tmp_path: Path) -> Pools:
    """Two small pools with vectors."""
    return write_pools(tmp_path / "pools")


@pytest.fixture
def workdir(tmp_path: Path) -> Path:
    """Return the folder of a run, not made yet."""
    return tmp_path / "work"
