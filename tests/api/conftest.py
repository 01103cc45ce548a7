"""Fixtures of the tests of `import nsfwcaps`."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.chosen_vectors import Project
from support.ingest_place import Place
from support.shell import Pools, write_pools


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return a workdir whose embed stage gets its vectors from the test."""
    return Project(Place(tmp_path), monkeypatch)


@pytest.fixture
def pools(tmp_path: Path) -> Pools:
    """Return two pools with vectors, so that no model is loaded."""
    return write_pools(tmp_path / "pools")
