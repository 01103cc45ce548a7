"""`nsfwcaps build`: the main job in one command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nsfwcaps import recipes
from nsfwcaps.commands import execution
from nsfwcaps.commands.options import DryRun, Json, Overwrite, Quiet, with_settings
from nsfwcaps.commands.places import on_store
from nsfwcaps.stage import Values
from nsfwcaps.stages import BUILD
from nsfwcaps.stores.session import Use


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("build")(build)


@with_settings([*BUILD, execution.EXECUTION])
@on_store(out=Use.WRITE)
def build(
    out: Annotated[
        Path, typer.Option("--out", "-o", "--workdir", "-w", help="Folder of the run; may exist.")
    ],
    given: Values,
    as_json: Json = False,
    quiet: Quiet = False,
    dry_run: DryRun = False,
    overwrite: Overwrite = False,
) -> None:
    """Build a data set of graded pairs from pools of safe and unsafe captions.

    Give --safe and --unsafe, each once or more. Rerun the same command to resume.
    """
    sharing = given.pop("execution")
    execution.execute(
        recipes.parse(given, where="build"),
        out,
        as_json=as_json,
        quiet=quiet,
        dry_run=dry_run,
        overwrite=overwrite,
        sharing=sharing,
    )
