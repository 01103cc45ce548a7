from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from support.shell import STAGE_NAMES, Pools, call, tree


@pytest.fixture
def recipe(pools: Pools, tmp_path: Path) -> Path:
    """The two pools as a recipe."""
    path = tmp_path / "mine pairs.yaml"
    path.write_text(yaml.safe_dump(pools.recipe))
    return path


def test_recipe_and_build_give_the_same_data_set(recipe: Path, pools: Pools, workdir: Path) -> None:
    said = call("run", recipe, "--workdir", workdir)
    assert (said.code, said.err) == (0, "")
    other = workdir.with_name("other")
    call("build", "--out", other, *pools.options)
    assert tree(workdir / "dataset") == tree(other / "dataset")


def test_same_recipe_again_is_up_to_date(recipe: Path, workdir: Path) -> None:
    call("run", recipe, "--workdir", workdir)
    before = tree(workdir)
    said = call("run", recipe, "--workdir", workdir)
    assert said.out.count("up to date") == 5
    assert tree(workdir) == before


def test_change_on_the_command_line_wins(recipe: Path, workdir: Path) -> None:
    said = call("run", recipe, "-w", workdir, "-s", "mine.k=2", "--set", "mine.rank=cosine")
    assert said.code == 0, said.err
    assert "48 pairs" in said.out


def test_part_of_a_recipe_runs_its_stages_only(recipe: Path, workdir: Path) -> None:
    values = yaml.safe_load(recipe.read_text())
    recipe.write_text(yaml.safe_dump({name: values[name] for name in ("ingest", "embed")}))
    said = call("run", recipe, "--workdir", workdir, "--json")
    assert [item["stage"] for item in said.json["stages"]] == ["ingest", "embed"]
    assert said.json["dataset"] is None
    assert not (workdir / "dataset").exists()


def test_order_in_the_file_does_not_matter(recipe: Path, workdir: Path) -> None:
    values = yaml.safe_load(recipe.read_text())
    recipe.write_text(yaml.safe_dump(dict(reversed(values.items())), sort_keys=False))
    said = call("run", recipe, "--workdir", workdir, "--json")
    assert (said.code, said.err) == (0, "")
    assert [item["stage"] for item in said.json["stages"]] == list(STAGE_NAMES)


def test_dry_run_makes_nothing(recipe: Path, workdir: Path) -> None:
    said = call("run", recipe, "--workdir", workdir, "--dry-run", "--json")
    assert {facts["state"] for facts in said.json["plan"].values()} == {"not run"}
    assert not workdir.exists()


def test_recipe_with_errors_tells_all_and_makes_nothing(recipe: Path, workdir: Path) -> None:
    said = call("run", recipe, "-w", workdir, "-s", "mine.k=0", "-s", "x.y=1", "-s", "garbage")
    assert (said.code, said.out) == (2, "")
    assert all(part in said.err for part in ("mine.k", "unknown stage 'x'", "--set garbage"))
    assert not workdir.exists()


def test_slip_in_a_pool_leaves_no_folder(recipe: Path, workdir: Path) -> None:
    said = call("run", recipe, "--workdir", workdir, "--set", "ingest.safe=nowhere.jsonl")
    assert (said.code, said.out) == (3, "")
    assert "nowhere.jsonl: no such file" in said.err
    assert not workdir.exists()
