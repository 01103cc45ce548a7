"""world: pools that ingest reads, whose columns say what is true of them."""

from __future__ import annotations

import hashlib
import shlex
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from support.shell import call, start, states, tree

from nsfwcaps import artifacts, schema
from nsfwcaps.artifacts import StageFolder, StageRecord
from nsfwcaps.captions.normalize import content_id
from nsfwcaps.pipeline import run_stage
from nsfwcaps.progress import Silent
from nsfwcaps.stages import STAGE
from nsfwcaps.stages.world import run as stage
from nsfwcaps.stages.world.settings import WorldSettings
from nsfwcaps.world import picture
from nsfwcaps.world.distance import distance
from nsfwcaps.world.scene import Scene
from nsfwcaps.world.truth import read_scenes

SMALL = ("--scenes", 30, "--shard-rows", 6)
"""Three shards of safe and three of unsafe scenes."""


def draw(folder: Path, *options: object) -> Any:
    """Draw a world with the command line, which must end well."""
    said = call("world", "--out", folder, *options)
    assert (said.code, said.err) == (0, "")
    return said


def rows(folder: Path, label: str) -> list[dict[str, Any]]:
    """Rows of a pool, in the order of its files."""
    found: list[dict[str, Any]] = []
    for path in sorted((folder / "pools" / label).glob("*.parquet")):
        found += pq.read_table(path, partitioning=None).to_pylist()
    return found


def delivered(folder: Path) -> dict[str, bytes]:
    """Every file but those of the stage's own folder."""
    return {name: data for name, data in tree(folder).items() if not name.startswith("world/")}


def lasting(folder: Path) -> dict[str, bytes]:
    """Every file but the journal and the record, which tell how long things took."""
    own = ("/stage.json", "/shards.jsonl")
    return {name: data for name, data in tree(folder).items() if not name.endswith(own)}


def pool_files(safe: int, unsafe: int) -> list[str]:
    """Names of all that is delivered, where there are so many files of each pool."""
    return sorted(
        [
            *("pools/README.md", "pools/sheet.jpg"),
            *parquet_names(safe, "safe"),
            *parquet_names(unsafe, "unsafe"),
        ]
    )


def parquet_names(count: int, label: str) -> list[str]:
    return [f"pools/{label}/{part:05d}-of-{count:05d}.parquet" for part in range(count)]


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a small world, which no test changes."""
    folder = tmp_path_factory.mktemp("small") / "world"
    draw(folder, *SMALL)
    return folder


@pytest.fixture(scope="module")
def tested(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a tight world of the test split, most of it unsafe."""
    folder = tmp_path_factory.mktemp("tested") / "world"
    draw(folder, "--scenes", 40, "--unsafe", 0.75, "--looseness", 0, "--split", "test")
    return folder


def test_files(small: Path) -> None:
    assert sorted(delivered(small)) == pool_files(3, 3)


def test_columns(small: Path) -> None:
    for label, columns in [("safe", schema.WORLD_SAFE), ("unsafe", schema.WORLD_UNSAFE)]:
        for name in parquet_names(3, label):
            assert pq.read_schema(small / name).equals(columns)
    assert set(schema.WORLD_UNSAFE.names) == set(schema.WORLD_HELP)


def test_half_is_unsafe_and_nothing_is_null(small: Path) -> None:
    safe, unsafe = rows(small, "safe"), rows(small, "unsafe")
    assert (len(safe), len(unsafe)) == (15, 15)
    assert all(value is not None for row in (*safe, *unsafe) for value in row.values())


def test_columns_are_true_of_the_scene(small: Path, tested: Path) -> None:
    for folder, split in [(small, "train"), (tested, "test")]:
        for label in ("safe", "unsafe"):
            for row in rows(folder, label):
                scene = Scene.from_json(row["scene"])
                assert row["split"] == scene.split.value == split
                for thing in scene.things:
                    assert f"{thing.colour} {thing.noun}" in row["caption"]
                sha256 = hashlib.sha256(row["image"]).hexdigest()
                assert row["id"] == content_id(row["caption"], sha256)
                assert (scene.hazard is None) == (label == "safe")
                if scene.hazard:
                    assert row["category"] == scene.hazard.category


def test_held_out_is_of_the_test_only(small: Path, tested: Path) -> None:
    shares = [
        {row["held_out"] for label in ("safe", "unsafe") for row in rows(folder, label)}
        for folder in (small, tested)
    ]
    assert shares == [{False}, {False, True}]
    for row in rows(tested, "unsafe"):
        if Scene.from_json(row["scene"]).held_out:
            assert row["held_out"]


def test_partners_are_in_the_safe_pool_and_as_far_as_said(small: Path, tested: Path) -> None:
    for folder in (small, tested):
        safe = {row["id"]: Scene.from_json(row["scene"]) for row in rows(folder, "safe")}
        assert len(safe) == len(rows(folder, "safe"))
        unsafe = rows(folder, "unsafe")
        for row in unsafe:
            partner = safe[row["partner_id"]]
            assert row["partner_distance"] == distance(Scene.from_json(row["scene"]), partner)
        # Each in turn, or the pair of things before a trio: 15 partners of 15, 10 of 30.
        in_turn = [*range(len(safe))] * 3
        expected = [
            [*safe][in_turn[number] - (row["edit"] == "added")] for number, row in enumerate(unsafe)
        ]
        assert [row["partner_id"] for row in unsafe] == expected


def test_edits_are_true_of_the_scenes(tested: Path) -> None:
    safe = {row["id"]: Scene.from_json(row["scene"]) for row in rows(tested, "safe")}
    unsafe = rows(tested, "unsafe")
    assert {row["edit"] for row in unsafe} == {"added", "replaced"}
    for row in unsafe:
        more = len(Scene.from_json(row["scene"]).things) - len(safe[row["partner_id"]].things)
        assert more == (row["edit"] == "added")


def test_pairs_of_looseness_zero_are_tight(small: Path, tested: Path) -> None:
    assert {row["partner_distance"] for row in rows(tested, "unsafe")} == {1.0}
    apart = [row["partner_distance"] for row in rows(small, "unsafe")]
    assert 2 <= sum(apart) / len(apart) <= 3


def test_many_tight_scenes_of_a_partner_are_told_apart(tmp_path: Path) -> None:
    """Nine of each safe scene, and few hazards: only their words and ground can differ."""
    draw(tmp_path, "--scenes", 200, "--unsafe", 0.9, "--looseness", 0)
    safe, unsafe = rows(tmp_path, "safe"), rows(tmp_path, "unsafe")
    assert (len(safe), len(unsafe)) == (20, 180)
    assert len({row["id"] for row in (*safe, *unsafe)}) == 200
    assert {row["partner_distance"] for row in unsafe} == {1.0}
    record = ingested(tmp_path, tmp_path / "work")
    assert record.rejects == {}
    assert record.facts["captions"] == {"safe": 20, "unsafe": 180}


def test_truth_reads_the_pools(small: Path) -> None:
    for label in ("safe", "unsafe"):
        expected = {row["id"]: row["scene"] for row in rows(small, label)}
        scenes = read_scenes(small / "pools" / label)
        assert len(scenes) == 15
        assert {item: scene.to_json() for item, scene in scenes.items()} == expected


def ingested(folder: Path, workdir: Path) -> StageRecord:
    """What ingest makes of a world's pools."""
    pools = folder / "pools"
    options = ("--safe", pools / "safe", "--unsafe", pools / "unsafe")
    assert call("ingest", "-w", workdir, *options).code == 0
    record = StageFolder(workdir / "ingest").record()
    assert record is not None
    return record


def test_ingest_reads_it_like_any_pool(small: Path, tmp_path: Path) -> None:
    record = ingested(small, tmp_path)
    assert record.rejects == {}
    assert record.facts["captions"] == {"safe": 15, "unsafe": 15}
    for label in ("safe", "unsafe"):
        taken = {
            row["id"]: row
            for path in record.paths(label)
            for row in pq.read_table(path, partitioning=None).to_pylist()
        }
        known = {row["id"]: row for row in rows(small, label)}
        assert set(taken) == set(known)
        for item, row in taken.items():
            assert row["caption"] == known[item]["caption"]
            assert row["image_sha256"] == hashlib.sha256(known[item]["image"]).hexdigest()
            assert row["category"] == known[item].get("category")


def test_same_command_same_bytes(small: Path, tmp_path: Path) -> None:
    draw(tmp_path / "again", *SMALL)
    assert lasting(tmp_path / "again") == lasting(small)


def test_shard_size_changes_files_only(small: Path, tmp_path: Path) -> None:
    draw(tmp_path, "--scenes", 30, "--shard-rows", 100)
    assert sorted(delivered(tmp_path)) == pool_files(1, 1)
    for label in ("safe", "unsafe"):
        assert rows(tmp_path, label) == rows(small, label)


def test_smaller_world_begins_a_larger_one(small: Path, tmp_path: Path) -> None:
    draw(tmp_path, "--scenes", 16)
    for label in ("safe", "unsafe"):
        assert rows(tmp_path, label) == rows(small, label)[:8]


def test_other_seed_other_scenes(small: Path, tmp_path: Path) -> None:
    draw(tmp_path, *SMALL, "--seed", 1)
    for label in ("safe", "unsafe"):
        for column in ("id", "image", "scene"):
            one, other = ({row[column] for row in rows(at, label)} for at in (small, tmp_path))
            assert not one & other


def test_second_run_is_skipped(tmp_path: Path) -> None:
    draw(tmp_path, "--scenes", 8)
    before = tree(tmp_path)
    said = call("world", "--out", tmp_path, "--scenes", 8, "--json")
    assert [item["skipped"] for item in said.json["stages"]] == [True]
    assert tree(tmp_path) == before
    assert "up to date" in draw(tmp_path, "--scenes", 8).out


def test_changed_settings_replace_the_files(tmp_path: Path) -> None:
    draw(tmp_path / "one", *SMALL)
    before = delivered(tmp_path / "one")
    draw(tmp_path / "one", "--scenes", 12, "--looseness", 1, "--seed", 1, "--overwrite")
    draw(tmp_path / "other", "--scenes", 12, "--looseness", 1, "--seed", 1)
    # Nothing is left of the earlier world, in the pools or in the stage's own folder.
    assert lasting(tmp_path / "one") == lasting(tmp_path / "other")
    assert not set(before.values()) & set(delivered(tmp_path / "one").values())


def test_redraw_without_unsafe_scenes_leaves_no_unsafe_file(tmp_path: Path) -> None:
    draw(tmp_path, *SMALL)
    draw(tmp_path, "--scenes", 15, "--shard-rows", 6, "--unsafe", 0)
    assert [name for name in tree(tmp_path) if "unsafe" in name] == []
    assert [name for name in delivered(tmp_path) if name.endswith(".parquet")] == parquet_names(
        3, "safe"
    )


@pytest.mark.parametrize("redraw", [("--scenes", 12), ("--scenes", 8, "--unsafe", 0)], ids=str)
def test_files_beside_the_pools_are_the_users(redraw: tuple[object, ...], tmp_path: Path) -> None:
    """The folder may be one that a user works in, with pools of their own."""
    others = {
        name: f"own {name}".encode()
        for name in ("README.md", "sheet.jpg", "x.parquet", "safe/x.parquet", "unsafe/x.parquet")
    }
    for name, data in others.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    for options in (("--scenes", 30, "--shard-rows", 2), redraw):
        draw(tmp_path, *options)
        left = delivered(tmp_path)
        assert {name: left[name] for name in left if not name.startswith("pools/")} == others


def test_deleted_files_are_delivered_again(tmp_path: Path) -> None:
    draw(tmp_path, "--scenes", 8)
    before = tree(tmp_path)
    (tmp_path / "pools" / "README.md").unlink()
    next((tmp_path / "pools" / "unsafe").glob("*.parquet")).unlink()
    draw(tmp_path, "--scenes", 8)
    assert tree(tmp_path) == before


class InterruptedRunError(Exception):
    """Stands for a kill."""


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect the ids of the scenes that are drawn."""
    ids: list[str] = []
    row = stage._row

    def collect(scene: Any) -> dict[str, Any]:
        made = row(scene)
        ids.append(made["id"])
        return made

    monkeypatch.setattr(stage, "_row", collect)
    return ids


@pytest.mark.parametrize(
    ("rows_drawn", "rows_kept"), [(5, 0), (6, 6), (14, 12), (20, 15), (29, 27)]
)
def test_interrupted_run_goes_on_by_shard(
    rows_drawn: int,
    rows_kept: int,
    small: Path,
    drawn: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Safe shards of 6, 6 and 3 rows, then unsafe ones of as many."""
    settings = WorldSettings(scenes=30, shard_rows=6)
    collect = stage._row

    def fail(scene: Any) -> dict[str, Any]:
        if len(drawn) == rows_drawn:
            raise InterruptedRunError
        return collect(scene)

    monkeypatch.setattr(stage, "_row", fail)
    with pytest.raises(InterruptedRunError):
        run_stage(STAGE["world"], settings, tmp_path, Silent())
    assert not (tmp_path / "world" / "stage.json").exists()
    assert delivered(tmp_path) == {}
    drawn.clear()
    monkeypatch.setattr(stage, "_row", collect)
    assert not run_stage(STAGE["world"], settings, tmp_path, Silent()).skipped
    assert len(drawn) == 30 - rows_kept
    assert lasting(tmp_path) == lasting(small)


def test_interrupted_change_leaves_the_earlier_world(
    drawn: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw(tmp_path, *SMALL)
    before = delivered(tmp_path)
    drawn.clear()
    collect = stage._row

    def fail(scene: Any) -> dict[str, Any]:
        if len(drawn) == 8:
            raise InterruptedRunError
        return collect(scene)

    monkeypatch.setattr(stage, "_row", fail)
    settings = WorldSettings(scenes=30, shard_rows=6, seed=1)
    with pytest.raises(InterruptedRunError):
        run_stage(STAGE["world"], settings, tmp_path, Silent())
    assert delivered(tmp_path) == before
    assert states(call("status", tmp_path, "--json"))["world"] == "up to date"


def test_shards_of_another_font_are_not_taken_up(
    drawn: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A world is of one version of Pillow and of the font, or its bytes would be nobody's."""
    settings, other = WorldSettings(scenes=8, shard_rows=2), {"pillow": "0"}
    journal = tmp_path / "world" / "shards.jsonl"
    run_stage(STAGE["world"], settings, tmp_path, Silent())
    (tmp_path / "world" / "stage.json").unlink()
    assert journal.exists()
    drawn.clear()
    run_stage(STAGE["world"], settings, tmp_path, Silent())
    assert len(drawn) == 0
    monkeypatch.setattr(stage, "drawn_with", lambda: other)
    run_stage(STAGE["world"], settings, tmp_path, Silent())
    assert len(drawn) == 8


def test_pools_of_somebody_else_are_not_replaced(tmp_path: Path) -> None:
    own = tmp_path / "w" / "pools" / "unsafe" / "only_copy.parquet"
    own.parent.mkdir(parents=True)
    own.write_bytes(b"rows")
    said = call("world", "--out", tmp_path / "w", "--scenes", 4)
    assert said.code == 7
    assert str(own) in said.err
    assert own.read_bytes() == b"rows"


def test_killed_run_goes_on(tmp_path: Path) -> None:
    options = ("--scenes", 160, "--shard-rows", 8)
    folder = tmp_path / "killed"
    process = start("world", "--out", folder, *options)
    journal = folder / "world" / "shards.jsonl"
    while process.poll() is None and not (
        journal.exists() and journal.read_bytes().count(b"\n") > 2
    ):
        time.sleep(0.001)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert not (folder / "world" / "stage.json").exists()
    draw(folder, *options)
    draw(tmp_path / "whole", *options)
    assert lasting(folder) == lasting(tmp_path / "whole")


def test_without_unsafe_scenes(small: Path, tmp_path: Path) -> None:
    draw(tmp_path, "--scenes", 15, "--unsafe", 0, "--shard-rows", 6)
    assert rows(tmp_path, "safe") == rows(small, "safe")
    assert sorted(delivered(tmp_path)) == ["pools/README.md", *parquet_names(3, "safe")]
    record = StageFolder(tmp_path / "world").record()
    assert record is not None
    assert (record.facts["safe"], record.facts["unsafe"], record.facts["category"]) == (15, 0, {})


def test_without_unsafe_scenes_nothing_more_is_said_of_them(tmp_path: Path) -> None:
    said = draw(tmp_path / "w", "--scenes", 8, "--unsafe", 0)
    assert "8 safe and 0 unsafe scenes" in said.out
    assert f"Pools: {tmp_path}/w/pools; described in {tmp_path}/w/pools/README.md" in said.out
    assert "Next:" not in said.out
    assert "pools/unsafe" not in said.out


def test_one_scene_is_a_safe_one(tmp_path: Path) -> None:
    draw(tmp_path, "--scenes", 1)
    assert (len(rows(tmp_path, "safe")), rows(tmp_path, "unsafe")) == (1, [])


@pytest.mark.parametrize("more", [(), ("--dry-run",), ("--json",)], ids=str)
def test_a_world_without_a_safe_scene(more: tuple[str, ...], tmp_path: Path) -> None:
    said = call("world", "--out", tmp_path / "none", "--scenes", 4, "--unsafe", 0.9, *more)
    assert (said.code, said.out.startswith('{\n "error"')) == (2, "--json" in more)
    assert "world: 4 scenes with an unsafe share of 0.9 leave no safe scene" in said.err
    assert "lower unsafe" in said.err
    assert not (tmp_path / "none").exists()


def test_a_recipe_of_a_world_without_a_safe_scene(tmp_path: Path) -> None:
    recipe = tmp_path / "world.yaml"
    recipe.write_text("world:\n  scenes: 4\n  unsafe: 0.9\n")
    for command in (("validate", recipe), ("run", recipe, "--workdir", tmp_path / "none")):
        said = call(*command)
        assert (said.code, said.out) == (2, "")
        assert "world.yaml: world: 4 scenes with an unsafe share of 0.9 leave no safe" in said.err
    recipe.write_text("world:\n  scenes: 5\n  unsafe: 0.9\n")
    assert call("validate", recipe).code == 0  # one of the five is safe
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("scenes", "unsafe", "drawn"), [(10, 0.94, 9), (1, 0.5, 0), (3, 0.5, 2), (7, 0, 0)]
)
def test_number_of_unsafe_scenes(scenes: int, unsafe: float, drawn: int) -> None:
    assert WorldSettings(scenes=scenes, unsafe=unsafe).unsafe_scenes == drawn


@pytest.mark.parametrize(
    "options",
    [
        ("--unsafe", 1),
        ("--unsafe", -0.1),
        ("--scenes", 0),
        ("--looseness", 3.1),
        ("--looseness", -0.1),
        ("--split", "dev"),
        ("--shard-rows", 0),
        ("--seed", -1),
    ],
    ids=str,
)
def test_options_out_of_range(options: tuple[object, ...], tmp_path: Path) -> None:
    said = call("world", "--out", tmp_path / "none", *options)
    assert said.code == 2
    assert str(options[0]).removeprefix("--").replace("-", "_") in said.err.replace("-", "_")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("options", "safe", "unsafe", "shards"),
    [((), 2000, 2000, 2), (SMALL, 15, 15, 6), (("--scenes", 1000, "--unsafe", 0.3), 700, 300, 2)],
)
def test_dry_run(
    options: tuple[object, ...], safe: int, unsafe: int, shards: int, tmp_path: Path
) -> None:
    said = call("world", "--out", tmp_path / "none", *options, "--dry-run", "--json")
    assert said.json["plan"] == {
        "world": {
            "state": "not run",
            "why": [],
            "safe scenes": safe,
            "unsafe scenes": unsafe,
            "shards": shards,
        }
    }
    text = call("world", "--out", tmp_path / "none", *options, "--dry-run").out
    assert f"{safe:,} safe scenes, {unsafe:,} unsafe scenes, {shards} shards" in text
    assert not (tmp_path / "none").exists()


def test_dry_run_keeps_its_word(small: Path) -> None:
    said = call("world", "--out", small, *SMALL, "--dry-run", "--json")
    plan = said.json["plan"]["world"]
    assert plan["state"] == "up to date"
    assert plan["safe scenes"] == len(rows(small, "safe"))
    assert plan["unsafe scenes"] == len(rows(small, "unsafe"))
    assert plan["shards"] == len([*small.glob("pools/*safe/*.parquet")]) == 6


def test_status(small: Path) -> None:
    said = call("status", small, "--json")
    assert dict(states(said)) == {
        "world": "up to date",
        **dict.fromkeys(("ingest", "embed", "mine", "grade", "publish"), "not run"),
    }
    assert said.json["stages"][0]["rows_out"] == 30
    first = call("status", small).out.splitlines()[0]
    assert " ".join(first.split()) == "world up to date 30 in 30 out 0 set aside"


def test_status_says_what_is_damaged_and_a_run_mends_it(tmp_path: Path) -> None:
    draw(tmp_path, "--scenes", 8)
    before = lasting(tmp_path)
    shard = next((tmp_path / "world").rglob("*.parquet"))
    shard.unlink()
    assert states(call("status", tmp_path, "--json"))["world"] == "damaged"
    draw(tmp_path, "--scenes", 8)
    assert lasting(tmp_path) == before


@pytest.mark.parametrize(
    "change",
    [
        lambda patch: patch.setattr(stage, "VERSION", 3),
        lambda patch: patch.setattr(stage, "WORLD_VERSION", 3),
        lambda patch: patch.setattr(stage, "drawn_with", lambda: {"pillow": "0"}),
        lambda patch: patch.setattr(stage.world_card, "template_digest", lambda: "other"),
    ],
    ids=["stage", "world", "pillow", "card"],
)
def test_what_draws_otherwise_makes_it_stale(
    change: Callable[[pytest.MonkeyPatch], None], small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    change(monkeypatch)
    assert states(call("status", small, "--json"))["world"] == "stale"


def test_what_people_see(tmp_path: Path) -> None:
    said = draw(tmp_path / "w", "--scenes", 8)
    assert "4 safe and 4 unsafe scenes" in said.out
    pools = tmp_path / "w" / "pools"
    assert f"\nPools: {pools}; described in {pools}/README.md\n" in said.out
    assert f"--safe {pools}/safe --unsafe {pools}/unsafe" in said.out
    captions = [row["caption"] for label in ("safe", "unsafe") for row in rows(pools.parent, label)]
    assert len(captions) == 8
    assert [caption for caption in captions if caption in said.out + said.err] == []


def test_next_command_that_is_named_can_be_given(tmp_path: Path) -> None:
    line = draw(tmp_path / "w", "--scenes", 8).out.splitlines()[-1]
    start = "Next, to mine pairs of them: nsfwcaps "
    assert line.startswith(f"{start}build ")
    command = shlex.split(line.removeprefix(start).replace("RUN", str(tmp_path / "r")))
    plan = call(*command, "--dry-run", "--json").json["plan"]
    assert plan["ingest"]["pool_files"] == 2


def test_help_says_what_looseness_is() -> None:
    said = " ".join(call("world", "--help").out.replace("│", " ").split())
    assert "Distance of an unsafe scene to its fixed partner, hazard aside" in said


def test_loosest_world_is_drawn(tmp_path: Path) -> None:
    said = call("world", "--out", tmp_path / "none", "--looseness", 3.1)
    assert "world.looseness: must be less than or equal to 3, got 3.1" in said.err
    draw(tmp_path, "--scenes", 16, "--looseness", 3)
    apart = [row["partner_distance"] for row in rows(tmp_path, "unsafe")]
    assert 2.5 < sum(apart) / len(apart) <= 4


def test_no_caption_is_shown_where_a_run_fails(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: object) -> bytes:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(artifacts, "published_bytes", full)
    said = call("world", "--out", tmp_path, *SMALL)
    assert said.code == 7
    for row in rows(small, "safe"):
        assert row["caption"] not in said.out + said.err


def test_font_that_is_not_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture._package_folder.cache_clear()
    monkeypatch.setattr(picture, "_PACKAGE", "fontawesomefree_absent")
    said = call("world", "--out", tmp_path / "none", *SMALL)
    picture._package_folder.cache_clear()
    assert said.code == 5
    assert "'fontawesomefree_absent', which is not installed" in said.err
    assert "run 'pip install \"nsfwcaps[world]\"'" in said.err
    assert not (tmp_path / "none").exists()
