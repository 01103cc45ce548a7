"""`nsfwcaps status`: the state of every stage of a run."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from nsfwcaps import changes, freshness, recipes
from nsfwcaps.artifacts import JOURNALS, RECORD, StageFolder
from nsfwcaps.commands.options import Json
from nsfwcaps.commands.places import on_store
from nsfwcaps.errors import ArtifactError
from nsfwcaps.executors.claims import summary
from nsfwcaps.freshness import Freshness, StageState
from nsfwcaps.stage import Stage
from nsfwcaps.stages import BUILD, STAGE, STAGES
from nsfwcaps.stores.session import Use

_MOST_NAMED = 5


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("status")(status)


@on_store(workdir=Use.LOOK)
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
            f"{workdir}: no such folder; create it with "
            f"'nsfwcaps build --out {shlex.quote(str(workdir))} …'"
        )
    _check_is_run(workdir)
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


def _check_is_run(workdir: Path) -> None:
    """Refuse a folder without a stage; name the runs in it.

    Raises:
        ArtifactError: no stage has begun in the folder.
    """
    if _is_run(workdir):
        return
    if workdir.name in STAGE and _is_run(workdir.parent):
        raise ArtifactError(
            f"{workdir} is a stage of a run; run "
            f"'nsfwcaps status {shlex.quote(str(workdir.parent))}'"
        )
    runs = sorted(path for path in workdir.iterdir() if path.is_dir() and _is_run(path))
    if runs:
        more = f" and {len(runs) - _MOST_NAMED:,} more" if len(runs) > _MOST_NAMED else ""
        named = ", ".join(map(str, runs[:_MOST_NAMED])) + more
        raise ArtifactError(
            f"{workdir} is no run, but has runs in it: {named}; run "
            f"'nsfwcaps status {shlex.quote(str(runs[0]))}'"
        )
    raise ArtifactError(
        f"{workdir} is no run, as no stage has begun in it; give the folder that was --out or "
        "--workdir of a run, or make one with 'nsfwcaps build --out RUN …'"
    )


def _is_run(folder: Path) -> bool:
    """Whether a stage has begun in a folder."""
    return any(
        (folder / name / RECORD).is_file() or any((folder / name).glob(JOURNALS)) for name in STAGE
    )


def _row(stage: Stage, found: Freshness, workdir: Path) -> dict[str, Any]:
    record = StageFolder(workdir / stage.name).record()
    return {
        "stage": stage.name,
        "state": found.state.value,
        "why": [*found.why, *filter(None, [summary(workdir, stage.name)])],
        "rows_in": record.rows_in if record else 0,
        "rows_out": record.rows_out if record else 0,
        "rejects": dict(record.rejects) if record else {},
        "seconds": record.seconds if record else 0.0,
        "output_digest": record.output_digest if record else None,
    }
