"""`nsfwcaps card`: the papers of a published data set."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from nsfwcaps import progress
from nsfwcaps.commands.options import Json, Quiet
from nsfwcaps.commands.places import on_store
from nsfwcaps.errors import ArtifactError
from nsfwcaps.stores.session import Use


def register(app: typer.Typer) -> None:
    """Add the command and its subcommand."""
    group = typer.Typer(no_args_is_help=True)
    group.callback()(card)
    group.command("check")(check)
    app.add_typer(group, name="card")


def card() -> None:
    """Check the card and the Croissant file of a data set against its data."""


@on_store(dataset=Use.READ)
def check(
    dataset: Annotated[Path, typer.Argument(help="Folder of a published data set, or of its run.")],
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Fail on a number, a column or a term that the data do not bear out.

    Reads every file once. Text between the two comments at the end of the card is yours.
    """
    from nsfwcaps.card_check.check import check as checked  # slow to import

    found = checked(dataset, progress.for_terminal(quiet=quiet or as_json))
    if as_json:
        typer.echo(json.dumps(found.as_dict(), indent=1))
    else:
        for line in (*map(str, found.findings), *found.notes):
            typer.echo(line)
    if found.findings:
        count = len(found.findings)
        raise ArtifactError(
            f"{found.folder}: {count:,} {'finding' if count == 1 else 'findings'}; its papers do "
            "not agree with its data"
        )
    if not as_json:
        typer.echo(
            f"{found.folder}: README.md and croissant.json agree with {found.pairs:,} pairs in "
            f"{found.files:,} files"
        )
