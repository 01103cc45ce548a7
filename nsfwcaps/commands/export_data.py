"""`nsfwcaps export-data`: the data of a run in the format of another tool."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from nsfwcaps import progress
from nsfwcaps.commands import next_steps
from nsfwcaps.commands.options import Json, Quiet
from nsfwcaps.exports.formats import DataFormat, embedded


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("export-data")(export_data)


def export_data(
    run: Annotated[Path, typer.Argument(help="Folder of a run.")],
    to: Annotated[DataFormat, typer.Option("--to", help="Tool that reads the export.")],
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Output folder; an earlier export is replaced.")
    ],
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Export the vectors of a run in the format of another tool."""
    found = embedded(run)
    from nsfwcaps.exports import clip_retrieval  # slow to import; the checks above fail fast

    shown, notes = progress.for_terminal(quiet=quiet or as_json), list[str]()
    facts = clip_retrieval.write(found, out, shown, notes)
    if as_json:
        typer.echo(json.dumps({**facts, "folder": str(out), "notes": notes}, indent=1))
        return
    captions = facts["captions"]
    typer.echo(
        f"Exported {sum(captions.values()):,} captions ({captions['safe']:,} safe, "
        f"{captions['unsafe']:,} unsafe) by {facts['encoder']['name']} to {to}: {out}"
    )
    if facts["without_image"]:
        typer.echo(
            f"{facts['without_image']:,} captions have no image: their rows in img_emb are zeros"
        )
    for note in notes:
        typer.echo(note)
    typer.echo(next_steps.lines([(("embed", "--source", out, "--out", "RUN"), "import it")]))
