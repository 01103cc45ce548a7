"""Entry point of the `nsfwcaps` command: exit codes and error messages."""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import typer

from nsfwcaps.commands.listing import CommandGroup
from nsfwcaps.failures import INTERRUPTED, STOPPED, explain, trace
from nsfwcaps.runtime.processes import GRACE_S, launched, leave
from nsfwcaps.version import __version__

_COMPLETION = "_NSFWCAPS_COMPLETE"
"""Set by the shell when it completes, as typer's scripts say."""

app = typer.Typer(
    name="nsfwcaps",
    cls=CommandGroup,
    help="Mine, grade and publish safe-unsafe caption pairs for safer vision-language models.",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)


@app.callback(invoke_without_command=True)
def _root(
    version: bool = typer.Option(False, "--version", "-V", help="Print the version and stop."),
) -> None:
    if version:
        typer.echo(f"nsfwcaps {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the command line and end the process with a meaningful exit code."""
    leave(guard(_run) if launched().first else run_as_follower(_run))


def _run() -> object:
    if _COMPLETION in os.environ:
        os.environ["COLUMNS"] = "1000"  # a second line of a help would be completed as a word
    # The name under which the shell completes, also for `python -m nsfwcaps`.
    return app(prog_name="nsfwcaps")


def run_as_follower(command: Callable[[], object]) -> int:
    """Run a command in a process whose output another process prints.

    Errors are printed after a delay. By then torchrun has ended this process if the first process
    failed for the same reason and has reported it.
    """
    errors = io.StringIO()
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), redirect_stderr(errors):
        code = guard(command)
    if code not in (0, INTERRUPTED):
        time.sleep(GRACE_S)
        sys.stderr.write(errors.getvalue())
    return code


def guard(command: Callable[[], object]) -> int:
    """Run a command; turn an exception into one message and an exit code."""
    try:
        command()
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
        return _interrupted() if code == INTERRUPTED else code  # Typer catches Ctrl-C and exits
    except KeyboardInterrupt:
        return _interrupted()
    except BrokenPipeError:
        # The reader closed the pipe, as `head` does; avoid a second error at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        trace()
        message, code = explain(error)
        _say(message)
        return code
    return 0


def _interrupted() -> int:
    _say(STOPPED)
    return INTERRUPTED


def _say(message: str) -> None:
    sys.stderr.write(message + "\n")
