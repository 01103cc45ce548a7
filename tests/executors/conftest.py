"""One run from first to last, which shared ones must equal to the byte."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.shared_run import SharedPools, made_pools, run


@pytest.fixture(scope="package")
def shared_pools(tmp_path_factory: pytest.TempPathFactory) -> SharedPools:
    return made_pools(tmp_path_factory.mktemp("pools"))


@pytest.fixture(scope="package")
def whole_run(shared_pools: SharedPools, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole") / "run"
    run(shared_pools.recipe(), out)
    return out
