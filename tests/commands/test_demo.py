from __future__ import annotations

from pathlib import Path

import pytest
from shell import STAGE_NAMES, call, tree


def test_demo_runs_offline_and_says_where_the_results_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    first = call("demo", "--json")
    assert (first.code, first.err) == (0, "")
    assert first.json["dataset"] == "runs/demo/dataset"
    assert [item["stage"] for item in first.json["stages"]] == list(STAGE_NAMES)
    before = tree(tmp_path)
    again = call("demo")
    assert again.out.count("up to date") == 5
    assert "Data set: runs/demo/dataset\nIts card: runs/demo/dataset/README.md\n" in again.out
    assert tree(tmp_path) == before
