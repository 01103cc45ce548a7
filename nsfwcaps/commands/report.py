"""`nsfwcaps report`: what an evaluation found, for people."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from nsfwcaps.commands.options import Json
from nsfwcaps.errors import ArtifactError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("report")(report)


def report(
    out: Annotated[Path, typer.Argument(help="Folder that 'nsfwcaps eval' wrote.")],
    as_json: Json = False,
) -> None:
    """Write the report of an evaluation: report.html, one file by itself, and report.md."""
    from nsfwcaps.reports.write import write

    written = write(out)
    if as_json:
        values = {
            "html": str(written.html),
            "markdown": str(written.markdown),
            "models": written.models,
            "not_compared": written.not_compared,
            "problems": written.problems,
        }
        typer.echo(json.dumps(values, indent=1))
    else:
        for item in written.not_compared:
            typer.echo(f"not compared: {item}", err=True)
        typer.echo(f"Report: {written.html}\nFor repositories and issues: {written.markdown}")
    if written.problems:
        raise ArtifactError(
            f"{out}: the report is written, without this:\n  " + "\n  ".join(written.problems)
        )
