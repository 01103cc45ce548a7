"""`nsfwcaps export`: a trained model in the format of open_clip or transformers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from nsfwcaps.commands.options import Json
from nsfwcaps.commands.places import on_store
from nsfwcaps.models.export.export import ExportedModel, Format, export
from nsfwcaps.stores.session import Use


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("export")(export_run)


@on_store(run=Use.READ, out=Use.WRITE)
def export_run(
    run: Annotated[Path, typer.Option("--run", help="Folder of a trained run.")],
    to: Annotated[Format, typer.Option("--to", help="Target library.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Output folder; an earlier export is replaced.")
    ],
    strength: Annotated[
        float, typer.Option(help="Interpolation weight: 1 is the trained model, 0 the base model.")
    ] = 1.0,
    as_json: Json = False,
) -> None:
    """Export a trained model, adapters merged, to open_clip or transformers format."""
    done = export(run, to, out, strength)
    if as_json:
        typer.echo(
            json.dumps(
                {
                    **done.facts,
                    "folder": str(done.folder),
                    "model": done.model,
                    "notes": done.notes,
                },
                indent=1,
            )
        )
        return
    facts = done.facts
    typer.echo(f"Exported {facts['name']} ({facts['base']}), strength {strength:g}: {done.folder}")
    for note in done.notes:
        typer.echo(note)
    typer.echo(_way_to_load(done))


def _way_to_load(done: ExportedModel) -> str:
    here = f"--model {done.model}"
    if done.facts["format"] != Format.TRANSFORMERS:
        return f"Load it: {here}"
    outside = f'transformers.{done.facts["loads_as"]}.from_pretrained("{done.folder}")'
    return f"Load it in nsfwcaps: {here}\nLoad it: {outside}"
