"""demo: a world drawn, mined and scored by its truth; with fewer scenes, to be quick."""

from __future__ import annotations

import re
import shlex
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from support.shell import STAGE_NAMES, Said, call, states, tree

from nsfwcaps import recipes
from nsfwcaps.world.distance import distance
from nsfwcaps.world.scene import Scene

ALL_STAGES = ("world", *STAGE_NAMES, "train")
LOAD = recipes.load
SCENES = 60


def shrink(patch: pytest.MonkeyPatch, scenes: int) -> None:
    """Let the recipe of the demo draw so many scenes; all else of it stays."""
    patch.setattr(
        recipes,
        "load",
        lambda name, changes: LOAD(
            name, [*changes, f"world.scenes={scenes}", "train.epochs=1", "train.batch_size=4"]
        ),
    )


@pytest.fixture(autouse=True)
def few_scenes(monkeypatch: pytest.MonkeyPatch) -> None:
    shrink(monkeypatch, SCENES)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Said]:
    """Return the folder that a demo was called in, which no test changes, and what it said."""
    folder = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        shrink(patch, SCENES)
        said = call("demo", "--json")
    assert (said.code, said.err) == (0, "")
    return folder, said


@pytest.fixture
def folder(first: tuple[Path, Said], monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of that demo, and work in it."""
    monkeypatch.chdir(first[0])
    return first[0]


def rows(folder: Path) -> list[dict[str, Any]]:
    """Rows of every Parquet file in a folder."""
    return [
        row
        for path in sorted(folder.glob("*.parquet"))
        for row in pq.read_table(path, partitioning=None).to_pylist()
    ]


def test_every_stage_runs_offline(first: tuple[Path, Said]) -> None:
    folder, said = first
    assert said.json["dataset"] == "runs/demo/dataset"
    assert [item["stage"] for item in said.json["stages"]] == list(ALL_STAGES)
    assert not any(item["skipped"] for item in said.json["stages"])
    facts = {item["stage"]: item["facts"] for item in said.json["stages"]}
    assert facts["ingest"]["captions"] == {"safe": 30, "unsafe": 30}
    assert (facts["embed"]["encoder"]["name"], facts["embed"]["images"]) == ("mini", 60)
    assert {path.name for path in (folder / "runs" / "demo").iterdir()} == {
        *(*ALL_STAGES, "pools", "dataset", "model", ".lock")
    }


def test_truth_is_that_of_the_graphs(first: tuple[Path, Said]) -> None:
    """Counted anew from the data set and the pools, one pair at a time."""
    folder, said = first
    truth = said.json["truth"]
    run = folder / "runs" / "demo"
    scenes = {
        label: {row["id"]: Scene.from_json(row["scene"]) for row in rows(run / "pools" / label)}
        for label in ("safe", "unsafe")
    }
    mined, nearest, ties = [], [], 0
    pairs = rows(run / "dataset" / "data")
    for pair in pairs:
        unsafe = scenes["unsafe"][pair["unsafe_id"]]
        apart = {item: distance(unsafe, scene) for item, scene in scenes["safe"].items()}
        mined.append(apart[pair["safe_id"]])
        nearest.append(min(apart.values()))
        ties += sum(length == nearest[-1] for length in apart.values())
    assert truth["pairs"] == len(pairs) == 30
    right = sum(a == b for a, b in zip(mined, nearest, strict=True))
    assert truth["precision"] == pytest.approx(right / 30)
    assert truth["mined_distance"] == pytest.approx(sum(mined) / 30)
    assert truth["nearest_distance"] == pytest.approx(sum(nearest) / 30)
    assert truth["chance"] == pytest.approx(ties / 30 / 30)


def test_truth_of_each_edit(folder: Path, first: tuple[Path, Said]) -> None:
    truth = first[1].json["truth"]
    edits = {row["id"]: row["edit"] for row in rows(pools(folder, "unsafe"))}
    assert {edit: each["pairs"] for edit, each in truth["by_edit"].items()} == Counter(
        edits.values()
    )
    right = sum(each["precision"] * each["pairs"] for each in truth["by_edit"].values())
    assert right == pytest.approx(truth["precision"] * truth["pairs"])
    said = call("demo").out
    for edit, each in truth["by_edit"].items():
        row = rf"  hazard {edit} \({each['pairs']} pairs\) +{each['precision']:.0%}  "
        assert re.search(row, said)


def test_mining_is_far_better_than_chance(first: tuple[Path, Said]) -> None:
    truth = first[1].json["truth"]
    assert truth["chance"] < 0.15
    assert truth["precision"] > 0.3 > 2 * truth["chance"]
    assert 1 < truth["nearest_distance"] <= truth["mined_distance"]
    assert truth["mined_distance"] < truth["nearest_distance"] + 1
    assert 0 < truth["difficulty_correlation"] <= 1


def test_second_run_finds_all_done(folder: Path, first: tuple[Path, Said]) -> None:
    before = tree(folder)
    again = call("demo")
    assert (again.code, again.err) == (0, "")
    assert again.out.count("up to date") == len(ALL_STAGES)
    assert "Data set: runs/demo/dataset\nIts card: runs/demo/dataset/README.md\n" in again.out
    assert tree(folder) == before
    as_json = call("demo", "--json").json
    assert all(item["skipped"] for item in as_json["stages"])
    assert as_json["truth"] == first[1].json["truth"]
    assert tree(folder) == before


def test_what_people_see_of_the_truth(folder: Path, first: tuple[Path, Said]) -> None:
    truth = first[1].json["truth"]
    said = call("demo").out
    pairs = f"target is a closest safe scene ({truth['pairs']} pairs)"
    shares = (f"{truth['precision']:.0%}", "30% to 37%", f"{truth['chance']:.1%}", "100%")
    assert columns(said, pairs) == [*shares]
    means = re.search(r"mean distance to the target +([\d.]+)  2.44 to 2.49 +([\d.]+)\n", said)
    assert means is not None
    assert [float(mean) for mean in means.groups()] == [
        pytest.approx(truth[name], abs=0.006) for name in ("mined_distance", "nearest_distance")
    ]
    assert columns(said, "rank correlation of difficulty and distance") == [
        f"{truth['difficulty_correlation']:.2f}",
        *("0.29 to 0.38", "0", "1"),
    ]


def columns(said: str, row: str) -> list[str]:
    """What a table says in a row."""
    (line,) = (line for line in said.splitlines() if line.strip().startswith(row))
    return re.split(r" {2,}", line.strip())[1:]


def test_what_people_see_of_the_training(folder: Path, first: tuple[Path, Said]) -> None:
    facts = next(each for each in first[1].json["stages"] if each["stage"] == "train")["facts"]
    before, after = facts["validation"][0], facts["validation"][facts["kept_epoch"]]
    said = call("demo").out
    assert f"Training, on {facts['pairs']['validation']} validation pairs" in said
    for row, key, best in (
        ("unsafe captions that find their safe picture", "unsafe_text_to_image", "100%"),
        ("unsafe queries whose nearest item is unsafe", "unsafe_first", "0%"),
    ):
        shown = columns(said, row)
        assert [shown[0], shown[1], shown[3]] == [f"{before[key]:.0%}", f"{after[key]:.0%}", best]


def test_what_to_do_next_can_be_pasted(folder: Path) -> None:
    said = call("demo").out
    following = said.partition("\nNext:\n")[2].splitlines()
    commands = [shlex.split(line, comments=True) for line in following]
    assert [words[:2] for words in commands] == [
        ["nsfwcaps", name] for name in ("show", "eval", "report")
    ]
    for words in commands:
        done = call(*words[1:])
        assert (done.code, done.err) == (0, ""), words
    assert Path("runs/demo-eval/report.html").is_file()
    assert "Next" not in call("demo", "--quiet").out


def test_the_command_that_shows_pairs_is_named_once(folder: Path) -> None:
    named = "nsfwcaps show runs/demo"
    for quiet, line in (
        ((), f"  {named} --n 20  # look"),
        (("--quiet",), f"Look at pairs: {named}"),
    ):
        shutil.rmtree("runs/demo/publish")
        said = call("demo", *quiet).out
        assert "Cosines by mini" in said
        assert said.count(named) == 1
        assert line in said


def test_no_caption_is_shown(folder: Path) -> None:
    said = call("demo").out
    captions = [
        row["caption"] for label in ("safe", "unsafe") for row in rows(pools(folder, label))
    ]
    assert len(captions) == SCENES
    assert [caption for caption in captions if caption in said] == []


def pools(folder: Path, label: str) -> Path:
    return folder / "runs" / "demo" / "pools" / label


def test_dry_run_before_the_first_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = call("demo", "--dry-run", "--json")
    assert (said.code, said.err) == (0, "")
    assert said.json["plan"] == {
        "world": {
            "state": "not run",
            "why": [],
            "safe scenes": 30,
            "unsafe scenes": 30,
            "shards": 2,
        }
    }
    assert call("demo", "--dry-run").out.startswith("world    not run")
    assert [*tmp_path.iterdir()] == []


def test_dry_run_after_a_run(folder: Path) -> None:
    before = tree(folder)
    plan = call("demo", "--dry-run", "--json").json["plan"]
    assert [*plan] == [*ALL_STAGES]
    assert {item["state"] for item in plan.values()} == {"up to date"}
    assert (plan["embed"]["captions"], plan["embed"]["images"]) == (60, 60)
    assert tree(folder) == before


def test_dry_run_after_the_recipe_has_changed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the others would do is not known before the world is drawn."""
    before = tree(folder)
    shrink(monkeypatch, 40)
    plan = call("demo", "--dry-run", "--json").json["plan"]
    assert [(name, item["state"]) for name, item in plan.items()] == [("world", "stale")]
    assert tree(folder) == before


def test_status(folder: Path) -> None:
    said = call("status", "runs/demo", "--json")
    assert dict(states(said)) == dict.fromkeys(ALL_STAGES, "up to date")


def test_other_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is drawn there and read from there, and a shrunk world leaves nothing of the former."""
    monkeypatch.chdir(tmp_path)
    shrink(monkeypatch, 24)
    out = tmp_path / "else" / "where"
    said = call("demo", "--out", out)
    assert (said.code, said.err) == (0, "")
    assert f"Data set: {out}/dataset\n" in said.out
    assert [path.name for path in tmp_path.iterdir()] == ["else"]
    for label in ("safe", "unsafe"):
        assert len(rows(out / "pools" / label)) == 12
    shrink(monkeypatch, 20)
    said = call("demo", "--out", out, "--json")
    assert not any(item["skipped"] for item in said.json["stages"])
    assert said.json["truth"]["pairs"] == 10
    for label in ("safe", "unsafe"):
        assert len(rows(out / "pools" / label)) == 10
