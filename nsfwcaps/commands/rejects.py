"""`nsfwcaps rejects`: what a run set aside, with the text behind it if it is revealed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from nsfwcaps.commands.options import Json
from nsfwcaps.commands.places import on_store
from nsfwcaps.stores.session import Use


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("rejects")(rejects)


@on_store(run=Use.READ)
def rejects(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    stage: Annotated[
        list[str] | None, typer.Option(help="Only rejects of this stage. May repeat.")
    ] = None,
    reason: Annotated[
        list[str] | None, typer.Option(help="Only rejects of this reason. May repeat.")
    ] = None,
    n: Annotated[
        int, typer.Option("--n", "-n", min=0, help="Rows to show of each reason at most.")
    ] = 5,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Show the text of the rows, which may offend.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show what a run set aside, by stage and reason: counts, rows and, if revealed, texts."""
    from nsfwcaps.inspection.plain import writable
    from nsfwcaps.inspection.rejects import RejectChoice, rejects_of_run
    from nsfwcaps.inspection.show_rejects import reject_lines, rejects_as_dict

    choice = RejectChoice(stage=stage or (), reason=reason or (), n=n)
    found = rejects_of_run(run, choice)
    if as_json:
        typer.echo(json.dumps(rejects_as_dict(found, reveal=reveal), indent=1))
    else:
        typer.echo(writable("\n".join(reject_lines(found, reveal=reveal))))
