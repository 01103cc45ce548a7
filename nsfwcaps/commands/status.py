"""`nsfwcaps status`: the state of every stage of a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from nsfwcaps import pipeline, recipes
from nsfwcaps.artifacts import StageFolder
from nsfwcaps.commands.options import Json
from nsfwcaps.errors import ArtifactError
from nsfwcaps.pipeline import StageState
from nsfwcaps.stage import Stage
from nsfwcaps.stages import BUILD, STAGES


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("status")(status)


def status(
    workdir: Annotated[Path, typer.Argument(help="Folder of a run.")],
    recipe: Annotated[
        str | None, typer.Option("--recipe", help="Compare with the settings of this recipe.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Show which stages are done, stale, damaged or not run."""
    if not workdir.is_dir():
        raise ArtifactError(
            f"{workdir}: no such folder; create it with 'nsfwcaps build --out {workdir} …'"
        )
    wanted = recipes.placed(recipes.load(recipe, []), workdir) if recipe else {}
    rows = [
        _row(stage, wanted.get(stage.name), workdir)
        for stage in STAGES
        if stage in BUILD or (workdir / stage.name).exists()
    ]
    states = pipeline.spread({row["stage"]: row["state"] for row in rows})
    rows = [{**row, "state": states[row["stage"]].value} for row in rows]
    if as_json:
        typer.echo(json.dumps({"workdir": str(workdir), "stages": rows}, indent=1))
        return
    for row in rows:
        set_aside = sum(row["rejects"].values())
        counts = (
            f"{row['rows_in']:>12,} in {row['rows_out']:>12,} out {set_aside:>8,} set aside"
            if row["state"] != StageState.MISSING.value
            else ""
        )
        typer.echo(f"{row['stage']:<8} {row['state']:<11}{counts}")


def _row(stage: Stage, settings: Any, workdir: Path) -> dict[str, Any]:
    record = StageFolder(workdir / stage.name).record()
    return {
        "stage": stage.name,
        "state": pipeline.state(stage, settings, workdir),
        "rows_in": record.rows_in if record else 0,
        "rows_out": record.rows_out if record else 0,
        "rejects": dict(record.rejects) if record else {},
        "seconds": record.seconds if record else 0.0,
        "output_digest": record.output_digest if record else None,
    }
