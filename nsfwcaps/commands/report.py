"""`nsfwcaps report`: the report of an evaluation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from nsfwcaps.commands.options import Json
from nsfwcaps.commands.places import on_store
from nsfwcaps.errors import ArtifactError
from nsfwcaps.stores.session import Use


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("report")(report)


@on_store(out=Use.WRITE)
def report(
    out: Annotated[Path, typer.Argument(help="Output folder of 'nsfwcaps eval'.")],
    as_json: Json = False,
) -> None:
    """Write the report of an evaluation: report.html (self-contained) and report.md."""
    from nsfwcaps.reports.write import write

    written = write(out)
    if as_json:
        values = {
            "html": str(written.html),
            "markdown": str(written.markdown),
            "models": written.models,
            "not_compared": written.not_compared,
            "problems": written.problems,
            "notes": written.notes,
        }
        typer.echo(json.dumps(values, indent=1))
    else:
        for item in written.not_compared:
            typer.echo(f"not compared: {item}", err=True)
        for note in written.notes:
            typer.echo(note)
        typer.echo(f"Report: {written.html}\nMarkdown: {written.markdown}")
    if written.problems:
        raise ArtifactError(
            f"{out}: the report was written, but is incomplete:\n  " + "\n  ".join(written.problems)
        )
