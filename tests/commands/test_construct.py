"""construct: the whole job in one command, offline, by the rules."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from support.shell import STAGE_NAMES, call, tree

STAGES = ("construct", *STAGE_NAMES)
OPTIONS = ("--pool", "bundled:safe.jsonl", "--n", 12, "--min-alignment", 0.5)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a run, which no test changes."""
    folder = tmp_path_factory.mktemp("construct") / "run"
    said = call("construct", *OPTIONS, "--out", folder, "--json")
    assert said.code == 0, said.err
    assert [item["stage"] for item in said.json["stages"]] == list(STAGES)
    return folder


def test_the_data_set_holds_the_constructed_pairs(made: Path) -> None:
    published = [
        row
        for path in (made / "dataset" / "data").glob("*.parquet")
        for row in pq.read_table(path, partitioning=None).to_pylist()
    ]
    unsafe = {
        row["id"]: row
        for row in pq.read_table(made / "pools" / "unsafe", partitioning=None).to_pylist()
    }
    assert len(published) == len(unsafe) == 12
    for row in published:
        assert row["safe_id"] == unsafe[row["unsafe_id"]]["partner_id"]
        assert row["category"] == unsafe[row["unsafe_id"]]["category"]


def test_same_command_does_nothing_again(made: Path) -> None:
    before = tree(made)
    said = call("construct", *OPTIONS, "--out", made)
    assert said.code == 0
    assert said.out.count("up to date") == len(STAGES)
    assert tree(made) == before


def test_dry_run_writes_nothing(tmp_path: Path) -> None:
    said = call("construct", *OPTIONS, "--out", tmp_path / "run", "--dry-run", "--json")
    assert said.json["plan"]["construct"]["edits at most"] == 2000
    assert not (tmp_path / "run").exists()


def test_recipe_does_the_same(made: Path, tmp_path: Path) -> None:
    changes = ("--set", "construct.n=12", "--set", "construct.min_alignment=0.5")
    assert call("run", "construct", "-w", tmp_path, *changes).code == 0
    for label in ("safe", "unsafe"):
        (name,) = (made / "pools" / label).iterdir()
        assert (tmp_path / "pools" / label / name.name).read_bytes() == name.read_bytes()


def test_without_a_pool(tmp_path: Path) -> None:
    said = call("construct", "--n", 3, "--out", tmp_path / "run")
    assert said.code == 2
    assert "no pool; add --pool FILE" in said.err


def test_card_has_the_numbers(made: Path) -> None:
    facts = json.loads((made / "construct" / "stage.json").read_text())["facts"]
    card = (made / "pools" / "README.md").read_text()
    assert f"mean **{facts['alignment']['mean']:.3f}**" in card
    for name, count in facts["steps"].items():
        assert f"| {name} | {count:,} |" in card
    for name, item in facts["category"].items():
        assert f"| {name} | {item['quota']} | {item['selected']} |" in card
