from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from support.shell import STAGE_NAMES, Pools, call, tree

from nsfwcaps.cli import app
from nsfwcaps.config import field_names
from nsfwcaps.stage import Stage
from nsfwcaps.stages import BUILD, STAGES

GROUP: Any = typer.main.get_command(app)


def options(command: str) -> dict[str, Any]:
    return {item.name: item for item in GROUP.commands[command].params}


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_every_setting_is_an_option_of_its_stage_and_of_build(stage: Stage) -> None:
    own = options(stage.name)
    commands = (own, options("build")) if stage in BUILD else (own,)
    for field in dataclasses.fields(stage.settings):
        flag = f"--{field.name.replace('_', '-')}"
        for found in commands:
            assert flag in found[field.name].opts
        assert own[field.name].help.startswith(field.metadata["help"])


SHARING = {"executor", "processes", "part", "ray_address", "ray_cpus", "ray_gpus"}


def test_build_has_options_of_its_own_stages_only() -> None:
    """It starts from pools, and draws none."""
    known = {name for stage in BUILD for name in field_names(stage.settings)}
    assert set(options("build")) - {"help"} == known | {
        "out",
        "as_json",
        "quiet",
        "dry_run",
        "overwrite",
        *SHARING,
    }


# The command of this name does more than the stage.
ALONE = [stage for stage in STAGES if stage.name != "construct"]


@pytest.mark.parametrize("stage", ALONE, ids=lambda stage: stage.name)
def test_stage_has_no_other_options(stage: Stage) -> None:
    shared = {"workdir", "as_json", "quiet", "dry_run", "overwrite"}
    own = {"push", "public"} if stage.name == "publish" else set()
    own |= SHARING if stage.name in ("ingest", "embed", "mine") else set()
    assert set(options(stage.name)) - {"help"} == shared | own | set(field_names(stage.settings))


def stage_options(pools: Pools) -> dict[str, list[str]]:
    return {
        "ingest": ["--safe", str(pools.safe), "--unsafe", str(pools.unsafe)],
        "embed": ["--source", str(pools.vectors)],
    }


@pytest.fixture
def run(pools: Pools, workdir: Path) -> Callable[..., Any]:
    def run_stage(name: str, *more: str) -> Any:
        return call(name, "--workdir", workdir, *stage_options(pools).get(name, []), *more)

    return run_stage


def test_stages_one_by_one_are_build(run: Callable[..., Any], pools: Pools, workdir: Path) -> None:
    for name in STAGE_NAMES:
        said = run(name)
        assert (said.code, said.err) == (0, ""), name
    other = workdir.with_name("other")
    call("build", "--out", other, *pools.options)
    assert tree(workdir / "dataset") == tree(other / "dataset")
    before = tree(workdir)
    for name in STAGE_NAMES:
        assert "up to date" in run(name).out
    assert tree(workdir) == before


def test_json_of_each_stage_is_all_of_standard_output(run: Callable[..., Any]) -> None:
    for name in STAGE_NAMES:
        said = run(name, "--json")
        assert (said.code, said.err) == (0, "")
        (only,) = said.json["stages"]
        assert only["stage"] == name


def test_dry_run_of_each_stage_makes_nothing(run: Callable[..., Any], workdir: Path) -> None:
    for name in STAGE_NAMES:
        before = tree(workdir)
        said = run(name, "--dry-run", "--json")
        assert (said.code, said.err) == (0, "")
        assert said.json["plan"][name]["state"] == "not run"
        assert tree(workdir) == before
        assert workdir.exists() == (name != "ingest")
        run(name)


@pytest.mark.parametrize("name", STAGE_NAMES[1:])
def test_stage_without_its_input_names_the_command_to_run(
    run: Callable[..., Any], workdir: Path, name: str
) -> None:
    said = run(name)
    assert (said.code, said.out) == (4, "")
    first = f"run 'nsfwcaps ingest --workdir {workdir} --safe FILE --unsafe FILE' first"
    assert said.err.endswith(f"{first}\n")
    assert not workdir.exists()  # a slip in --workdir leaves nothing behind


def test_workdir_of_others_is_left_as_it_is(run: Callable[..., Any], workdir: Path) -> None:
    workdir.mkdir()
    assert run("mine").code == 4
    assert workdir.is_dir()


def test_one_side_may_be_ingested_alone(pools: Pools, workdir: Path) -> None:
    said = call("ingest", "--workdir", workdir, "--safe", pools.safe)
    assert said.code == 0
    assert "60 safe and 0 unsafe" in said.out


@pytest.mark.parametrize(
    ("stage", "flags", "named"),
    [
        ("ingest", ["--max-chars", "0"], "ingest.max_chars"),
        ("ingest", ["--max-reject-share", "nan"], "ingest.max_reject_share"),
        ("embed", ["--batch-tokens", "0"], "embed.batch_tokens"),
        ("mine", ["--k", "0"], "mine.k"),
        ("mine", ["--beta", "inf"], "mine.beta"),
        ("mine", ["--memory", "lots"], "mine: memory: invalid size 'lots'"),
        ("mine", ["--memory", "-1G"], "mine: memory: invalid size '-1G'"),
        ("mine", ["--k", "3", "--candidates", "2"], "candidates (2)"),
        ("grade", ["--similarity-weight", "inf"], "grade.similarity_weight"),
        ("grade", ["--easy-share", "0.9", "--hard-share", "0.9"], "easy_share"),
        ("publish", ["--test-share", "1"], "publish.test_share"),
        ("publish", ["--seed", "-1"], "publish.seed"),
    ],
)
def test_impossible_value_is_named(stage: str, flags: list[str], named: str, workdir: Path) -> None:
    said = call(stage, "--workdir", workdir, *flags)
    assert (said.code, said.out) == (2, "")
    assert named in said.err
    assert not workdir.exists()
