from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from support.shell import MARKER, Pools, call, call_process, environment, start

from nsfwcaps import errors, failures
from nsfwcaps.cli import app, explain, guard
from nsfwcaps.commands import listing
from nsfwcaps.errors import InputError, NsfwcapsError
from nsfwcaps.stages import STAGE, STAGES
from nsfwcaps.version import __version__

GROUP: Any = typer.main.get_command(app)
COMMANDS = sorted(GROUP.commands)
HEAVY = (
    *("torch", "faiss", "open_clip", "streamlit", "transformers"),
    *("pyarrow", "pandas", "pydantic", "matplotlib", "scipy"),
)


def test_help_names_every_command() -> None:
    said = call("--help")
    assert said.code == 0
    assert all(name in said.out for name in COMMANDS)
    promised = {"build", "run", "demo", "validate", "status", "doctor", *STAGE}
    assert promised <= set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_is_shown_whole(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    said = call(name, "--help")
    assert (said.code, said.err) == (0, "")
    assert "…" not in said.out  # a word wider than its column would be cut


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_says_what_it_does(name: str) -> None:
    command = GROUP.commands[name]
    assert command.help
    helps = {item.name: item.help for item in command.params}
    assert all(helps.values()), helps


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from nsfwcaps.cli import app, guard; sys.argv = ['nsfwcaps', *sys.argv[1:]];"
        f"code = guard(app); print('LOADED', [name for name in {HEAVY!r} if name in sys.modules]);"
        "sys.exit(code)"
    )
    for arguments in (["--help"], ["build", "--help"], ["mine", "--help"], ["--version"]):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            capture_output=True,
            text=True,
            check=True,
            env=environment(),
        )
        # Typer itself looks at pydantic, where it is installed, as soon as it reads an option.
        loaded = ["pydantic"] if arguments != ["--help"] else []
        assert done.stdout.endswith((f"LOADED {loaded}\n", "LOADED []\n")), arguments


def test_the_root_help_imports_no_command_and_no_stage() -> None:
    code = (
        "import sys; from nsfwcaps.cli import app, guard; guard(lambda: app(['--help']));"
        "print('LOADED', sorted(name for name in sys.modules if name.startswith("
        "('nsfwcaps.commands.', 'nsfwcaps.stage', 'nsfwcaps.pipeline', 'nsfwcaps.recipes'))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment()
    )
    assert done.stdout.endswith("LOADED ['nsfwcaps.commands.listing']\n")


def test_a_command_imports_none_of_the_others() -> None:
    code = (
        "import sys; from nsfwcaps.cli import app, guard; guard(lambda: app(['mine', '--help']));"
        "print('LOADED', sorted(n for n in sys.modules if n.startswith('nsfwcaps.commands.')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment()
    )
    expected = [
        f"nsfwcaps.commands.{n}" for n in ("execution", "listing", "options", "places", "stages")
    ]
    assert done.stdout.endswith(f"LOADED {expected}\n")


def test_every_stage_has_a_command() -> None:
    assert list(listing.stages()) == [stage.name for stage in STAGES if not stage.has_own_command]
    for name, place in listing.stages().items():
        settings = STAGE[name].settings
        module, _, class_name = place.partition(":")
        assert (f"nsfwcaps.{module}", class_name) == (settings.__module__, settings.__name__)


def test_what_the_root_help_reads_is_what_a_command_says() -> None:
    for name, place in listing.COMMANDS.items():
        assert listing.docstring(place) == GROUP.commands[name].help
    for name, place in listing.stages().items():
        assert listing.docstring(place).splitlines()[0] == GROUP.commands[name].help


def test_a_slip_in_a_name_is_answered_with_the_name() -> None:
    said = call("buidl", "--help")
    assert said.code == 2
    assert "Did you mean 'build'?" in said.err


def test_module_is_the_command() -> None:
    said = call_process("--version")
    assert (said.code, said.out, said.err) == (0, f"nsfwcaps {__version__}\n", "")


def test_no_command_shows_the_help() -> None:
    said = call()
    assert said.code == 2
    assert "Usage" in said.out + said.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["bogus"],
        ["build"],
        ["build", "--out"],
        ["build", "--bogus"],
        ["build", "--out", "x", "--k", "many"],
        ["build", "--out", "x", "--device", "tpu"],
        ["run"],
        ["status"],
        ["validate"],
    ],
)
def test_wrong_use_ends_with_2_and_writes_nothing(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    said = call(*arguments)
    assert (said.code, said.out) == (2, "")
    assert "Error" in said.err
    assert not list(tmp_path.iterdir())


def raising(error: BaseException) -> Callable[[], object]:
    def command() -> object:
        raise error

    return command


@pytest.mark.parametrize(
    "kind",
    [item for item in vars(errors).values() if isinstance(item, type)],
    ids=lambda kind: kind.__name__,
)
def test_every_error_ends_with_its_own_code(
    kind: type[NsfwcapsError], capsys: pytest.CaptureFixture[str]
) -> None:
    assert guard(raising(kind("what is wrong"))) == kind.exit_code
    assert capsys.readouterr() == ("", "error: what is wrong\n")


def test_full_disk_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert guard(raising(OSError(errno.ENOSPC, "no space", "runs/a/x"))) == 7
    assert capsys.readouterr().err.startswith("error: runs/a/x: the disk is full")


def test_no_memory_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert guard(raising(MemoryError())) == 1
    assert "lower --memory" in capsys.readouterr().err


def test_bug_is_told_without_the_text_of_its_error(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(failures.DEBUG_VARIABLE, raising=False)
    assert guard(raising(ValueError(f"bad caption: {MARKER}"))) == 70
    said = capsys.readouterr().err
    assert "internal error: ValueError at" in said
    assert "This is a bug" in said
    assert MARKER not in said
    assert "Traceback" not in said


def test_trace_of_a_bug_is_shown_when_asked_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(failures.DEBUG_VARIABLE, "1")
    assert guard(raising(ValueError("x"))) == 70
    assert "Traceback" in capsys.readouterr().err


def test_message_of_an_error_stands_as_it_is() -> None:
    assert explain(InputError("pool.csv: empty")) == ("error: pool.csv: empty", 3)


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), SystemExit(130)])
def test_interrupt_says_that_nothing_is_lost(
    stop: BaseException, capsys: pytest.CaptureFixture[str]
) -> None:
    assert guard(raising(stop)) == 130
    assert "run the same command again" in capsys.readouterr().err


def test_ctrl_c_ends_a_run_with_130_and_one_message(tmp_path: Path, pools: Pools) -> None:
    # A pool that never ends: the run is surely at work when the signal comes.
    fifo = tmp_path / "endless.jsonl"
    os.mkfifo(fifo)
    process = start("build", "--out", tmp_path / "work", *pools.options, "--safe", fifo)
    with fifo.open("w") as pool:  # opens when the run reads it
        pool.write(json.dumps({"caption": "a vase"}) + "\n")
        pool.flush()
        time.sleep(0.5)  # until it waits for more
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err == "stopped; finished work is kept: run the same command again to resume\n"
    assert out == ""


def test_reader_that_leaves_early_gets_no_complaint(tmp_path: Path) -> None:
    process = start("doctor", "--json")
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    complaint = process.stderr.read()
    process.wait(timeout=60)
    assert complaint == ""
