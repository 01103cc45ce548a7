from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from support.shell import STAGE_NAMES, Pools, call, tree, write_jsonl


def done(said_out: str) -> list[str]:
    """Stages that were up to date."""
    return [line.split()[0] for line in said_out.splitlines() if "up to date" in line]


def test_two_pools_become_a_data_set(pools: Pools, workdir: Path) -> None:
    said = call("build", "--out", workdir, *pools.options)
    assert (said.code, said.err) == (0, "")
    stages = [line.split()[0] for line in said.out.splitlines()[:7] if not line.startswith(" ")]
    assert stages == list(STAGE_NAMES)
    assert "safe.jsonl: columns: caption=caption" in said.out
    assert f"Data set: {workdir / 'dataset'}" in said.out
    assert (workdir / "dataset" / "README.md").is_file()
    rows = sum(pq.read_metadata(p).num_rows for p in (workdir / "dataset/data").glob("*.parquet"))
    assert rows == 24


def test_same_command_again_is_up_to_date(pools: Pools, workdir: Path) -> None:
    call("build", "--out", workdir, *pools.options)
    before = tree(workdir)
    said = call("build", "--out", workdir, *pools.options)
    assert done(said.out) == list(STAGE_NAMES)
    assert tree(workdir) == before


def test_setting_runs_again_what_depends_on_it(pools: Pools, workdir: Path) -> None:
    call("build", "--out", workdir, *pools.options)
    said = call("build", "--out", workdir, *pools.options, "--k", "2")
    assert done(said.out) == ["ingest", "embed"]


def test_json_is_all_of_standard_output(pools: Pools, workdir: Path) -> None:
    for skipped in (False, True):
        said = call("build", "--out", workdir, *pools.options, "--json")
        assert (said.code, said.err) == (0, "")
        assert said.json["dataset"] == str(workdir / "dataset")
        assert [item["stage"] for item in said.json["stages"]] == list(STAGE_NAMES)
        assert {item["skipped"] for item in said.json["stages"]} == {skipped}


def test_json_of_a_failed_command_is_its_error(pools: Pools, workdir: Path) -> None:
    said = call("build", "--out", workdir, *pools.options, "--k", "61", "--json")
    assert (said.code, [*said.json], said.json["error"]["exit_code"]) == (2, ["error"], 2)
    assert said.err.startswith("error: ")


@pytest.mark.parametrize("as_json", [False, True])
def test_dry_run_makes_nothing(pools: Pools, workdir: Path, as_json: bool) -> None:
    before = tree(workdir.parent)
    said = call("build", "--out", workdir, *pools.options, "--dry-run", *["--json"] * as_json)
    assert (said.code, said.err) == (0, "")
    if as_json:
        assert list(said.json["plan"]) == list(STAGE_NAMES)
        assert said.json["plan"]["ingest"]["pool_files"] == 2
    else:
        assert "2 pool files" in said.out
    assert not workdir.exists()
    assert tree(workdir.parent) == before


def test_dry_run_tells_of_every_stage_that_would_run(pools: Pools, workdir: Path) -> None:
    call("build", "--out", workdir, *pools.options)
    before = tree(workdir)
    write_jsonl(pools.safe, ["A vase on a table"])
    planning = ("build", "--out", workdir, *pools.options, "--dry-run", "--json")
    refused = call(*planning).json["error"]  # no caption of the run is in the new pool
    assert (refused["type"], refused["exit_code"]) == ("OtherRunError", 4)
    said = call(*planning, "--overwrite")
    assert {facts["state"] for facts in said.json["plan"].values()} == {"stale"}
    assert tree(workdir) == before


@pytest.mark.parametrize("side", ["safe", "unsafe"])
def test_one_side_alone_is_refused_before_any_work(pools: Pools, workdir: Path, side: str) -> None:
    said = call("build", "--out", workdir, f"--{side}", getattr(pools, side))
    other = {"safe": "unsafe", "unsafe": "safe"}[side]
    assert (said.code, said.out) == (2, "")
    assert f"ingest.{other}: no pool, and mine needs one" in said.err
    assert not workdir.exists()


def test_mixed_pool_serves_both_sides(pools: Pools, workdir: Path) -> None:
    rows = "".join(
        f"{line},{int(source == pools.unsafe)}\n"
        for source in (pools.safe, pools.unsafe)
        for line in _captions(source)
    )
    mixed = pools.safe.with_name("mixed.csv")
    mixed.write_text("caption,flag\n" + rows)
    options = ["--pool", mixed, "--label-column", "flag", "--source", pools.vectors]
    said = call("build", "--out", workdir, *options)
    assert said.code == 0, said.err
    assert "60 safe and 24 unsafe captions" in said.out


def _captions(path: Path) -> list[str]:
    import csv
    import json

    if path.suffix == ".jsonl":
        found = [json.loads(line)["caption"] for line in path.read_text().splitlines()]
    else:
        with path.open() as file:
            found = [row["caption"] for row in csv.DictReader(file)]
    return [f'"{item}"' for item in found]


def test_mixed_pool_without_a_label_column_is_refused(pools: Pools, workdir: Path) -> None:
    said = call("build", "--out", workdir, "--pool", pools.safe)
    assert said.code == 2
    assert "label_column" in said.err


def test_pools_may_repeat_and_be_folders(pools: Pools, workdir: Path) -> None:
    folder = pools.safe.parent / "parts"
    lines = pools.safe.read_text().splitlines(keepends=True)
    folder.mkdir()
    (folder / "a.jsonl").write_text("".join(lines[:20]))
    (folder / "b.jsonl").write_text("".join(lines[20:40]))
    rest = folder.with_name("rest.jsonl")
    rest.write_text("".join(lines[40:]))
    options = ["--safe", folder, "--safe", rest, *pools.options[2:]]
    assert call("build", "--out", workdir, *options).code == 0
    whole = workdir.with_name("whole")
    assert call("build", "--out", whole, *pools.options).code == 0
    assert _pairs(workdir) == _pairs(whole)


def _pairs(workdir: Path) -> list[tuple[str, str]]:
    tables = [pq.read_table(path) for path in sorted((workdir / "dataset/data").iterdir())]
    return sorted(
        (row["unsafe_id"], row["safe_id"]) for table in tables for row in table.to_pylist()
    )


def test_pool_given_twice_changes_no_pair(pools: Pools, workdir: Path) -> None:
    twice = workdir.with_name("twice")
    assert call("build", "--out", workdir, *pools.options).code == 0
    assert call("build", "--out", twice, *pools.options, "--safe", pools.safe).code == 0
    assert _pairs(twice) == _pairs(workdir)


def test_one_pool_on_both_sides_is_refused(pools: Pools, workdir: Path) -> None:
    options = ["--safe", pools.safe, "--unsafe", pools.safe, "--source", pools.vectors]
    said = call("build", "--out", workdir, *options)
    assert (said.code, said.out) == (3, "")
    assert "check that --safe and --unsafe are different pools" in said.err


def test_paths_with_spaces_and_other_scripts(pools: Pools, workdir: Path) -> None:
    strange = workdir.parent / "päth with [späce] #1" / "猫"
    shutil.copytree(pools.safe.parent, strange)
    moved = Pools(strange / "safe.jsonl", strange / "unsafe.csv", strange / "vectors")
    said = call("build", "--out", strange / "run 1", *moved.options)
    assert (said.code, said.err) == (0, "")
    assert call("status", strange / "run 1").out.count("up to date") == 5


def test_path_written_another_way_does_no_work_again(
    pools: Pools, workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workdir.parent)
    call("build", "--out", "work", *pools.options)
    relative = ["--safe", "pools/safe.jsonl", "--unsafe", "pools/unsafe.csv", *pools.options[4:]]
    said = call("build", "--out", workdir, *relative)
    assert (said.code, said.err) == (0, "")
    assert done(said.out)[:2] == ["embed", "mine"]  # ingest looks, and finds the same content


def test_run_inside_a_pool_is_refused(pools: Pools) -> None:
    folder = pools.safe.parent / "pool"
    folder.mkdir()
    shutil.copy(pools.safe, folder)
    options = ["--safe", folder, *pools.options[2:]]
    for out in (folder / "run", folder):
        said = call("build", "--out", out, *options)
        assert (said.code, said.out) == (2, "")
        assert "is inside the pool" in said.err


def test_pools_in_a_folder_of_the_run_are_fine(pools: Pools) -> None:
    assert call("build", "--out", pools.safe.parent, *pools.options).code == 0


@pytest.mark.parametrize("size", ["0", "64KiB"])
def test_memory_of_any_size_gives_the_same_pairs(pools: Pools, workdir: Path, size: str) -> None:
    assert call("build", "--out", workdir, *pools.options).code == 0
    other = workdir.with_name("other")
    assert call("build", "--out", other, *pools.options, "--memory", size).code == 0
    assert _pairs(other) == _pairs(workdir)


def test_shards_of_any_size_give_the_same_pairs(pools: Pools, workdir: Path) -> None:
    """Also where everything is known already, and where a shard is left empty."""
    shared = ["A vase on a table", "A lamp on a table"]
    first = write_jsonl(pools.safe.with_name("both.jsonl"), shared)
    options = [*pools.options, "--max-reject-share", "1", "--unsafe", first, "--safe", first]
    assert call("build", "--out", workdir, *options).code == 0
    expected = _pairs(workdir)
    for rows in ("1", "50"):
        said = call("build", "--out", workdir, *options, "--shard-rows", rows)
        assert said.code == 0, said.err
        assert _pairs(workdir) == expected


def test_title_and_licence_of_any_text_keep_the_card_readable(pools: Pools, workdir: Path) -> None:
    import yaml

    title, licence = 'A\n---\nb: "c" # d', "x: y"
    options = [*pools.options, "--title", title, "--license", licence]
    assert call("build", "--out", workdir, *options).code == 0
    front = (workdir / "dataset" / "README.md").read_text().split("\n---\n")[0]
    # A document separator inside the title must not end the front matter for any reader.
    values = yaml.safe_load(front.removeprefix("---\n"))
    assert values["license"] == licence


def test_dry_run_gives_no_size_of_what_will_be_made_anew(pools: Pools, workdir: Path) -> None:
    assert call("build", "--out", workdir, *pools.options).code == 0
    changed = call(
        "build", "--out", workdir, *pools.options, "--max-chars", 500, "--dry-run", "--json"
    )
    plan = changed.json["plan"]
    assert plan["ingest"]["state"] == "stale"
    assert plan["embed"] == {"state": "stale", "why": ["ingest will run again"]}
