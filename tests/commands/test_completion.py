"""Completion in the shell, and the short ways to help and version."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support.shell import call, environment

from nsfwcaps.version import __version__

SHELLS = ("bash", "zsh", "fish")


def completed(shell: str, line: str) -> list[str]:
    """Words that a shell is offered for the end of a line."""
    words = line.split(" ")
    given = {
        "_NSFWCAPS_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(words) - 1),
        "_TYPER_COMPLETE_ARGS": line,
        "_TYPER_COMPLETE_FISH_ACTION": "get-args",
    }
    done = subprocess.run(
        [sys.executable, "-m", "nsfwcaps"],
        env={**environment(), **given, "COLUMNS": "80"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    if shell == "zsh":
        inner = done.stdout.partition("((")[2].rpartition("))")[0]
        return [item.partition('":"')[0].strip('"') for item in inner.splitlines()]
    return [item.partition("\t")[0] for item in done.stdout.splitlines()]


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("nsfwcaps ex", ["export", "export-data"]),
        ("nsfwcaps build --ran", ["--rank"]),
        ("nsfwcaps build --rank ", ["cosine", "csls", "inverted-softmax"]),
        ("nsfwcaps embed --device c", ["cpu", "cuda"]),
        ("nsfwcaps embed --model m", ["minilm", "mini"]),
        ("nsfwcaps run c", ["construct"]),
        ("nsfwcaps review account en", ["enable"]),
        ("nsfwcaps --vers", ["--version"]),
        ("nsfwcaps he", ["help"]),
    ],
)
def test_names_options_and_values_are_completed(shell: str, line: str, expected: list[str]) -> None:
    assert completed(shell, line) == expected


@pytest.mark.parametrize("shell", SHELLS)
def test_completion_is_installed_for_the_shell_that_asks(
    shell: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr("shellingham.detect_shell", lambda: (shell, f"/bin/{shell}"))
    shown, installed = call("--show-completion"), call("--install-completion")
    assert (shown.code, installed.code) == (0, 0)
    place = {
        "bash": ".bash_completions/nsfwcaps.sh",
        "zsh": ".zfunc/_nsfwcaps",
        "fish": ".config/fish/completions/nsfwcaps.fish",
    }
    script = (tmp_path / place[shell]).read_text().strip()
    assert script == shown.out.strip()
    assert f"_NSFWCAPS_COMPLETE=complete_{shell}" in script


def test_bash_completes_with_the_script(tmp_path: Path) -> None:
    """The real shell, the real script, and a real program of that name."""
    program = tmp_path / "nsfwcaps"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m nsfwcaps "$@"\n')
    program.chmod(0o755)
    script = (
        'eval "$(_NSFWCAPS_COMPLETE=source_bash nsfwcaps)"\n'
        "COMP_WORDS=(nsfwcaps bu); COMP_CWORD=1\n"
        '_nsfwcaps_completion nsfwcaps; echo "${COMPREPLY[@]}"\n'
    )
    given = environment()
    given["PATH"] = f"{tmp_path}:{given['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script], env=given, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["build"]


def test_completing_a_command_imports_none() -> None:
    code = (
        "import os, sys; os.environ |= {'_NSFWCAPS_COMPLETE': 'complete_bash', 'COMP_WORDS': "
        "'nsfwcaps b', 'COMP_CWORD': '1'}; from nsfwcaps.cli import app, guard;"
        "guard(lambda: app(prog_name='nsfwcaps'));"
        "print([n for n in sys.modules if n.startswith(('nsfwcaps.stages', 'torch', 'pyarrow'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True
    )
    assert done.stdout == "build\n[]\n"


def test_short_options() -> None:
    assert call("-V").out == f"nsfwcaps {__version__}\n"
    assert call("-h").out == call("--help").out
    assert call("mine", "-h").out == call("mine", "--help").out
    assert call("review", "account", "add", "-h").code == 0


def test_help_as_a_word() -> None:
    assert call("help").out == call("--help").out
    assert call("help", "help").out == call("--help").out
    assert call("help", "mine").out == call("mine", "--help").out
    assert call("help", "review", "account").out == call("review", "account", "--help").out


@pytest.mark.parametrize(
    ("given", "meant"), [(["biuld"], "'build'"), (["help", "mien"], "'mine'"), (["evla"], "'eval'")]
)
def test_the_nearest_command_is_suggested(given: list[str], meant: str) -> None:
    said = call(*given)
    assert said.code == 2
    assert f"Did you mean {meant}" in said.err


def test_usage_names_the_program_however_it_was_started() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "nsfwcaps", "status", "-h"],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Usage: nsfwcaps status" in done.stdout
