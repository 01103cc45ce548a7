"""`--json`: standard output holds exactly one JSON document, in case of errors too.

An error is `{"error": {"type": "InputError", "message": …, "exit_code": 3}}`. A command that fails
after its result, such as an evaluation with a missing part, has the key `error` in the result.
Messages for people go to standard error in any case.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from typing import Any, NoReturn

import typer

from nsfwcaps import failures


def run(command: Callable[[], Any]) -> NoReturn:
    """Run a command without Typer's own error messages, print one document, and exit."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        failure = _failure(command)
    document = _document(printed.getvalue(), failure)
    if document:
        sys.stdout.write(document)
        sys.stdout.flush()
    raise SystemExit(0 if failure is None else failure["exit_code"])


def _failure(command: Callable[[], Any]) -> dict[str, Any] | None:
    try:
        code = command()
    except (KeyboardInterrupt, typer.Abort):
        code = failures.INTERRUPTED
    except typer.Exit as stop:
        code = stop.exit_code
    except SystemExit as stop:
        code = stop.code
    except BrokenPipeError:
        raise
    except Exception as error:
        if hasattr(error, "format_message") and hasattr(error, "exit_code"):  # Click's own
            error.show()  # type: ignore[attr-defined]
            return _described("UsageError", error.format_message(), int(error.exit_code))
        failures.trace()
        message, code = failures.explain(error)
        sys.stderr.write(f"{message}\n")
        plain = message.removeprefix("error: ").removeprefix("internal error: ")
        return _described(failures.kind(error), plain, code)
    if not isinstance(code, int) or code == 0:
        return None
    if code == failures.INTERRUPTED:
        return _described("Interrupted", failures.STOPPED, code)
    return _described("Failed", f"ended with exit code {code}", code)


def _described(kind: str, message: str, code: int) -> dict[str, Any]:
    return {"type": kind, "message": message, "exit_code": code}


def _document(printed: str, failure: dict[str, Any] | None) -> str:
    """Return the document to print: what the command printed, and its error."""
    if failure is None:
        return printed
    try:
        result = json.loads(printed)
    except ValueError:
        result = {}
    if not isinstance(result, dict):
        result = {"result": result}
    return json.dumps({**result, "error": failure}, indent=1) + "\n"
