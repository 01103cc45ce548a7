"""`nsfwcaps demo`: the whole pipeline on bundled pools, offline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nsfwcaps import recipes
from nsfwcaps.commands import work
from nsfwcaps.commands.options import DryRun, Json, Quiet


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo")(demo)


def demo(
    out: Annotated[
        Path, typer.Option("--out", "-o", "--workdir", "-w", help="Folder of the run.")
    ] = Path("runs/demo"),
    as_json: Json = False,
    quiet: Quiet = False,
    dry_run: DryRun = False,
) -> None:
    """Run the whole pipeline on a small bundled pool, offline, and say where the results are."""
    work.execute(recipes.load("demo", []), out, as_json=as_json, quiet=quiet, dry_run=dry_run)
