"""A tiny pipeline of diffusers."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("diffusers", reason="needs the extra generation")
    from support import tiny_generators as tiny

    folder = tmp_path_factory.mktemp("private")
    exported = tiny.export(folder / "exported", tiny.write_clip(folder / "base"))
    return tiny.write_pipeline(folder / "tiny-sd", exported)
