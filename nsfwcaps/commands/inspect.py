"""`nsfwcaps inspect`: what a pool is, before it is used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from nsfwcaps import config
from nsfwcaps.commands.options import Json, OwnSettings, with_settings
from nsfwcaps.inspection.settings import InspectSettings
from nsfwcaps.stage import Values

_OWN = OwnSettings("inspect", InspectSettings)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("inspect")(inspect)


@with_settings([_OWN])
def inspect(
    pool: Annotated[str, typer.Argument(help="File, folder, glob or URL.")],
    given: Values,
    everything: Annotated[
        bool, typer.Option("--all", help="Read all rows and pictures instead of a sample.")
    ] = False,
    show: Annotated[
        bool, typer.Option("--show", help="Show the text of captions, which may offend.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Show what a pool is: its format, columns, duplicates, lengths, scripts and pictures.

    It reads a sample and says of what; --all reads everything. Captions are covered.
    """
    from nsfwcaps.captions.overlap import overlap_note
    from nsfwcaps.inspection.run import inspect as inspect_pool
    from nsfwcaps.inspection.show import lines

    settings = config.parse(InspectSettings, given[_OWN.name], where=_OWN.name)
    found = inspect_pool([pool], settings, everything=everything)
    if as_json:
        typer.echo(json.dumps(found.as_dict(show=show), indent=1, ensure_ascii=False))
    else:
        typer.echo("\n".join(lines(found, show=show)))
        if said := overlap_note(Path(pool)):  # a published data set, read as a pool
            typer.echo(said, err=True)
