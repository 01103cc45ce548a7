"""Runs the command line in forked children, and kills them at a chosen change of the disk.

One line of JSON in: {"arguments": [...], "within": folder, "kill_at": n or null}, and perhaps
"environment": variables for the child. The child counts
the system calls that change files within the folder, and sends itself SIGKILL before the n-th. One
line of JSON out: {"signal": s, "code": c, "changes": n}. Everything is imported once, here, so that
a kill costs what the work costs.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from typing import Any

import nsfwcaps.encoders.imported  # noqa: F401
from nsfwcaps.cli import app, guard
from nsfwcaps.stages import STAGES
from nsfwcaps.stages.grade import run as grade

# What the stages import while they run; none of it starts a thread before it computes.
for name in ("torch", "scipy.stats", "scipy.sparse.csgraph", *(stage.module for stage in STAGES)):
    importlib.import_module(name)

# Drawing takes most of the time of a small run; other tests kill runs that draw.
grade.draw = lambda *arguments: b"a picture"

_CHANGES = {"os.rename", "os.remove", "os.link", "os.mkdir", "os.rmdir", "os.truncate"}


def _watch(within: str, kill_at: int | None, count: list[int]) -> None:
    def changes(event: str, details: tuple[Any, ...]) -> bool:
        if event == "open":
            flags = details[2] if isinstance(details[2], int) else 0
            return bool(flags & (os.O_WRONLY | os.O_RDWR))
        return event in _CHANGES

    def hook(event: str, details: tuple[Any, ...]) -> None:
        if not changes(event, details) or not str(details[0]).startswith(within):
            return
        count[0] += 1
        if count[0] == kill_at:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)


def _child(task: dict[str, Any], report: int) -> int:
    os.environ.update(task.get("environment", {}))
    count = [0]
    _watch(task["within"], task["kill_at"], count)
    with open(os.devnull, "w") as nowhere:
        sys.stdout = nowhere
        code = guard(lambda: app(task["arguments"], prog_name="nsfwcaps"))
    os.write(report, json.dumps(count[0]).encode())
    return code


def _serve() -> None:
    for line in sys.stdin:
        task = json.loads(line)
        out, report = os.pipe()
        child = os.fork()
        if child == 0:
            os._exit(_child(task, report))
        os.close(report)
        with os.fdopen(out) as pipe:
            counted = pipe.read()
        _, status = os.waitpid(child, 0)
        result = {
            "signal": os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0,
            "code": os.WEXITSTATUS(status) if os.WIFEXITED(status) else None,
            "changes": json.loads(counted) if counted else None,
        }
        sys.__stdout__.write(json.dumps(result) + "\n")  # type: ignore[union-attr]
        sys.__stdout__.flush()  # type: ignore[union-attr]


if __name__ == "__main__":
    _serve()
