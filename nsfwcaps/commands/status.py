"""`nsfwcaps status`: the state of every stage of a run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from nsfwcaps import changes, freshness, recipes
from nsfwcaps.artifacts import StageFolder
from nsfwcaps.commands.options import Json
from nsfwcaps.errors import ArtifactError
from nsfwcaps.freshness import Freshness, StageState
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
    stages = [s for s in STAGES if s in BUILD or (workdir / s.name).exists()]
    found = freshness.spread(
        {s.name: freshness.freshness(s, wanted.get(s.name), workdir) for s in stages}
    )
    rows = [_row(stage, found[stage.name], workdir) for stage in stages]
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
        for reason in changes.shortened(row["why"]):
            typer.echo(f"{'':<8} - {reason}")


def _row(stage: Stage, found: Freshness, workdir: Path) -> dict[str, Any]:
    record = StageFolder(workdir / stage.name).record()
    return {
        "stage": stage.name,
        "state": found.state.value,
        "why": list(found.why),
        "rows_in": record.rows_in if record else 0,
        "rows_out": record.rows_out if record else 0,
        "rejects": dict(record.rejects) if record else {},
        "seconds": record.seconds if record else 0.0,
        "output_digest": record.output_digest if record else None,
    }
