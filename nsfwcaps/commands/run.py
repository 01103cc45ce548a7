"""`nsfwcaps run`: run a recipe."""

from __future__ import annotations

from typing import Annotated

import typer

from nsfwcaps import recipes, resources
from nsfwcaps.commands import execution
from nsfwcaps.commands.options import (
    DryRun,
    Json,
    Overwrite,
    Quiet,
    Workdir,
    with_settings,
)
from nsfwcaps.commands.places import on_store
from nsfwcaps.stage import Values
from nsfwcaps.stores.session import Use


def _bundled(incomplete: str) -> list[str]:
    return [name for name in resources.recipes() if name.startswith(incomplete)]


Recipe = Annotated[
    str,
    typer.Argument(help="YAML file, or name of a bundled recipe.", autocompletion=_bundled),
]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", "-s", help="Override a setting, e.g. --set mine.k=3. May repeat."),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("run")(run)


@with_settings([execution.EXECUTION])
@on_store(workdir=Use.WRITE)
def run(
    recipe: Recipe,
    workdir: Workdir,
    given: Values,
    changes: Set = None,
    as_json: Json = False,
    quiet: Quiet = False,
    dry_run: DryRun = False,
    overwrite: Overwrite = False,
) -> None:
    """Run the stages of a recipe; rerun the same command to resume."""
    execution.execute(
        recipes.load(recipe, changes or []),
        workdir,
        as_json=as_json,
        quiet=quiet,
        dry_run=dry_run,
        overwrite=overwrite,
        sharing=given["execution"],
    )
