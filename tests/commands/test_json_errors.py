"""Under `--json`, standard output is one JSON document whatever happens."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.shell import Pools, call

from nsfwcaps import pipeline
from nsfwcaps.errors import EvaluationError


@pytest.mark.parametrize(
    ("arguments", "kind", "code", "part"),
    [
        (("build", "--json"), "UsageError", 2, "Missing option '--out'"),
        (("build", "--out", "r", "--bogus", "--json"), "UsageError", 2, "No such option: --bogus"),
        (("nonsense", "--json"), "UsageError", 2, "No such command 'nonsense'"),
        (("mine", "-w", "r", "--k", "x", "--json"), "UsageError", 2, "'--k'"),
        (("mine", "-w", "r", "--k", "0", "--json"), "ConfigError", 2, "mine.k"),
        (("build", "--out", "r", "--safe", "a", "--json"), "ConfigError", 2, "ingest.unsafe"),
        (("ingest", "-w", "r", "--safe", "a.txt", "--json"), "InputError", 3, "a.txt: no such"),
        (("mine", "-w", "r", "--json"), "ArtifactError", 4, "needs the output of ingest"),
        (("status", "r", "--json"), "ArtifactError", 4, "r: no such folder"),
        (("validate", "nowhere", "--json"), "ConfigError", 2, "nowhere: no such file"),
        (("run", "nowhere", "-w", "r", "--json"), "ConfigError", 2, "no such file or bundled"),
        (("report", "r", "--json"), "ArtifactError", 4, "r: no results"),
        (("inspect", "a.txt", "--json"), "InputError", 3, "a.txt: no such"),
        (("eval", "--json"), "UsageError", 2, "Missing option '--model'"),
        (("export", "r", "--json"), "UsageError", 2, "Missing option"),
    ],
)
def test_error_is_a_document(
    arguments: tuple[str, ...],
    kind: str,
    code: int,
    part: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    said = call(*arguments)
    assert said.code == code
    error = said.json["error"]
    assert (error["type"], error["exit_code"]) == (kind, code)
    assert part in error["message"]


def failing(error: BaseException) -> object:
    def run(*args: object, **options: object) -> None:
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (KeyboardInterrupt(), "Interrupted", 130),
        (KeyError("x"), "InternalError", 70),
        (OSError(28, "no space", "x"), "StorageError", 7),
        (MemoryError(), "MemoryError", 1),
    ],
)
def test_whatever_stops_a_run_is_a_document(
    error: BaseException,
    kind: str,
    code: int,
    pools: Pools,
    workdir: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pipeline, "run", failing(error))
    said = call("build", "--out", workdir, *pools.options, "--json")
    assert said.code == code
    found = said.json["error"]
    assert (found["type"], found["exit_code"]) == (kind, code)
    assert said.err  # people read it there


def test_error_after_a_result_is_a_part_of_it(
    pools: Pools, workdir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = pipeline.plan

    def plan(*args: object) -> object:
        print("{}")
        raise EvaluationError("a part is missing")

    monkeypatch.setattr(pipeline, "plan", plan)
    said = call("build", "--out", workdir, *pools.options, "--dry-run", "--json")
    assert said.json == {
        "error": {"type": "EvaluationError", "message": "a part is missing", "exit_code": 10}
    }
    monkeypatch.setattr(pipeline, "plan", real)
    said = call("build", "--out", workdir, *pools.options, "--dry-run", "--json")
    assert (said.code, [*said.json]) == (0, ["plan"])


def test_without_the_flag_nothing_changes(tmp_path: Path) -> None:
    said = call("status", tmp_path / "none")
    assert (said.code, said.out) == (4, "")
    assert said.err.startswith("error: ")
