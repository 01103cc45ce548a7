"""`nsfwcaps construct`: from safe captions to a data set of constructed pairs in one command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nsfwcaps import recipes
from nsfwcaps.commands import work
from nsfwcaps.commands.options import DryRun, Json, Quiet, Values, with_settings
from nsfwcaps.pipeline import BUILD, STAGE

# Ingest reads what construct has written and mine takes its pairs: they leave nothing to choose.
_STAGES = (STAGE["construct"], *(stage for stage in BUILD if stage.name not in ("ingest", "mine")))


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("construct")(construct)


@with_settings(_STAGES)
def construct(
    out: Annotated[
        Path, typer.Option("--out", "-o", "--workdir", "-w", help="Folder of the run; may exist.")
    ],
    given: Values,
    as_json: Json = False,
    quiet: Quiet = False,
    dry_run: DryRun = False,
) -> None:
    """Edit safe captions into unsafe ones, and make a data set of the pairs.

    Give --pool, once or more. The same command goes on where it was stopped.
    """
    pools = {"safe": "run:pools/safe", "unsafe": "run:pools/unsafe"}
    values = {**given, "ingest": pools, "mine": {"pairing": "partner"}}
    recipe = recipes.parse(values, where="construct")
    work.execute(recipe, out, as_json=as_json, quiet=quiet, dry_run=dry_run)
