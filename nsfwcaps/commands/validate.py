"""`nsfwcaps validate`: check a recipe."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from nsfwcaps import missing, recipes
from nsfwcaps.artifacts import StageFolder
from nsfwcaps.commands.options import Json
from nsfwcaps.commands.places import on_store
from nsfwcaps.commands.run import Recipe, Set
from nsfwcaps.errors import ConfigError
from nsfwcaps.stores.session import Use


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("validate")(validate)


@on_store(workdir=Use.LOOK)
def validate(
    recipe: Recipe,
    changes: Set = None,
    workdir: Annotated[
        Path | None,
        typer.Option(
            "--workdir", "-w", "--out", "-o", help="Folder of the run, which has earlier stages."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check a recipe without running it and report all errors.

    A recipe may leave out stages that the run's folder has; give it with --workdir.
    """
    problems, needs = recipes.problems(recipe, changes or []), {}
    if not problems:
        needs = missing.of_recipe(recipes.load(recipe, changes or []))
        if workdir is not None:
            problems = [_lacking(n, by, workdir) for n, by in needs.items() if _lacks(workdir, n)]
            needs = {}
    if as_json:
        found = {"recipe": recipe, "errors": problems, "needs": needs}
        typer.echo(json.dumps(found, indent=1))
        if problems:
            raise ConfigError("\n".join(problems))  # printed, and part of the document
    elif problems:
        typer.echo("\n".join(problems), err=True)
    else:
        typer.echo(f"{recipe}: no errors")
        if needs:
            typer.echo(_note(needs))
    if problems:
        raise typer.Exit(2)


def _lacks(workdir: Path, name: str) -> bool:
    return StageFolder(workdir / name).record() is None


def _lacking(name: str, reader: str, workdir: Path) -> str:
    return (
        f"{reader} needs the output of {name}, which is neither in the recipe nor in {workdir}; "
        f"add '{name}:' to the recipe, or run '{missing.command(name, workdir)}' first"
    )


def _note(needs: Mapping[str, str]) -> str:
    parts = [f"{name} (read by {reader})" for name, reader in needs.items()]
    return (
        f"needs a run folder that has {', '.join(parts)}: add the stages to the recipe, or check "
        "the folder with --workdir RUN"
    )
