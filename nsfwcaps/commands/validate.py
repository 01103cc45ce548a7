"""`nsfwcaps validate`: check a recipe."""

from __future__ import annotations

import json

import typer

from nsfwcaps import recipes
from nsfwcaps.commands.options import Json
from nsfwcaps.commands.run import Recipe, Set


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("validate")(validate)


def validate(recipe: Recipe, changes: Set = None, as_json: Json = False) -> None:
    """Check a recipe without running it and report all errors."""
    problems = recipes.problems(recipe, changes or [])
    if as_json:
        typer.echo(json.dumps({"recipe": recipe, "errors": problems}, indent=1))
    elif problems:
        typer.echo("\n".join(problems), err=True)
    else:
        typer.echo(f"{recipe}: no errors")
    if problems:
        raise typer.Exit(2)
