from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from support.shell import STAGE_NAMES, Pools, call, states, tree, write_jsonl

CURRENT = dict.fromkeys(STAGE_NAMES, "up to date")


@pytest.fixture
def built(pools: Pools, workdir: Path) -> Path:
    """Return the folder of a finished run."""
    assert call("build", "--out", workdir, *pools.options).code == 0
    return workdir


def status(workdir: Path, *more: object) -> dict[str, str]:
    said = call("status", workdir, "--json", *more)
    assert (said.code, said.err) == (0, "")
    return dict(states(said))


def test_finished_run_is_up_to_date(built: Path) -> None:
    before = tree(built)
    assert status(built) == CURRENT
    assert tree(built) == before


def test_people_see_counts(built: Path) -> None:
    lines = call("status", built).out.splitlines()
    assert [line.split()[0] for line in lines] == list(STAGE_NAMES)
    assert " ".join(lines[0].split()) == "ingest up to date 84 in 84 out 0 set aside"


def test_json_holds_the_record(built: Path) -> None:
    rows = {row["stage"]: row for row in call("status", built, "--json").json["stages"]}
    assert rows["mine"]["rows_out"] == 24
    assert rows["mine"]["rejects"] == {}
    assert len(rows["mine"]["output_digest"]) == 64


def test_changed_pool_makes_all_stale(built: Path, pools: Pools) -> None:
    write_jsonl(pools.safe, ["A vase on a table"])
    assert status(built) == dict.fromkeys(STAGE_NAMES, "stale")


def test_pool_that_is_gone_makes_nothing_stale(built: Path, pools: Pools) -> None:
    pools.safe.unlink()
    assert status(built) == CURRENT


def test_changed_vectors_make_what_follows_stale(built: Path, pools: Pools) -> None:
    with (pools.vectors / "text_emb" / "text_emb_0000.npy").open("r+b") as file:
        file.seek(-4, 2)
        file.write(b"\0\0\0\0")
    assert status(built) == {**dict.fromkeys(STAGE_NAMES, "stale"), "ingest": "up to date"}


def test_changed_settings_of_a_recipe_are_seen(built: Path, pools: Pools, tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(yaml.safe_dump(pools.recipe))
    assert status(built, "--recipe", recipe) == CURRENT
    changed = {**pools.recipe, "mine": {"k": 2}}
    recipe.write_text(yaml.safe_dump(changed))
    after = dict.fromkeys(("mine", "grade", "publish"), "stale")
    assert status(built, "--recipe", recipe) == {**CURRENT, **after}
    recipe.write_text(yaml.safe_dump({**pools.recipe, "mine": {"memory": "2G"}}))
    assert status(built, "--recipe", recipe) == CURRENT


@pytest.mark.parametrize("harm", ["delete", "change", "cut"])
def test_lost_file_makes_its_stage_damaged(built: Path, pools: Pools, harm: str) -> None:
    (path,) = (built / "mine").glob("pairs-*.parquet")
    before = path.read_bytes()
    if harm == "delete":
        path.unlink()
    else:
        path.write_bytes(before[:-9] if harm == "cut" else bytes(reversed(before)))
    after = dict.fromkeys(("grade", "publish"), "stale")
    assert status(built) == {**CURRENT, "mine": "damaged", **after}
    assert call("build", "--out", built, *pools.options).code == 0
    assert path.read_bytes() == before
    assert status(built) == CURRENT


def test_stage_that_never_ran_is_told_apart(pools: Pools, workdir: Path) -> None:
    call("ingest", "-w", workdir, "--safe", pools.safe, "--unsafe", pools.unsafe)
    assert status(workdir) == {**dict.fromkeys(STAGE_NAMES, "not run"), "ingest": "up to date"}


def test_record_of_another_version_does_not_stop_the_report(built: Path) -> None:
    path = built / "mine" / "stage.json"
    values = json.loads(path.read_text())
    values["settings"] = {"gone": 1}
    path.write_text(json.dumps(values))
    assert set(status(built)) == set(STAGE_NAMES)


def test_record_that_is_broken_is_named(built: Path) -> None:
    (built / "mine" / "stage.json").write_text("{")
    said = call("status", built)
    assert (said.code, said.out) == (4, "")
    assert "mine/stage.json is damaged; delete the folder" in said.err


def test_missing_folder_is_named(tmp_path: Path) -> None:
    said = call("status", tmp_path / "nowhere")
    assert (said.code, said.out) == (4, "")
    assert "no such folder" in said.err


def why(workdir: Path) -> list[str]:
    rows = {row["stage"]: row for row in call("status", workdir, "--json").json["stages"]}
    assert rows["publish"]["state"] == "up to date"
    return list(rows["publish"]["why"])


def test_files_that_the_data_set_lacks_or_that_were_edited_are_said(
    built: Path, pools: Pools
) -> None:
    assert why(built) == []
    card, manifest = (built / "dataset" / name for name in ("README.md", "manifest.json"))
    card.write_text(card.read_text().replace("# ", "# My ", 1))
    edited = "dataset/README.md was edited: a rerun keeps that beside the new one"
    assert why(built) == [edited]
    manifest.unlink()
    next((built / "dataset" / "data").glob("train-*")).unlink()
    lacking = "dataset/ lacks 2 files: rerun to deliver"
    assert why(built) == [lacking, edited]
    assert lacking in call("status", built).out
    assert lacking in call("build", "--out", built, *pools.options, "--dry-run").out
    assert call("build", "--out", built, *pools.options).code == 0
    assert why(built) == []


def test_delivery_that_was_killed_is_said(
    built: Path, pools: Pools, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*args: object, **named: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("nsfwcaps.stage_delivery.copy", stop)
        assert call("build", "--out", built, *pools.options, "--seed", 5).code == 130
    assert "of the run before: rerun to deliver the new ones" in why(built)[-1]


def test_new_settings_are_listed_though_the_pools_do_not_resolve(built: Path, pools: Pools) -> None:
    path = built / "ingest" / "stage.json"
    values = json.loads(path.read_bytes())
    del values["settings"]["null_words"]
    values["fingerprint"] = "of another version"
    path.write_text(json.dumps(values))
    pools.safe.unlink()
    rows = {row["stage"]: row for row in call("status", built, "--json").json["stages"]}
    assert rows["ingest"]["why"] == ["null_words: a new setting, on"]
