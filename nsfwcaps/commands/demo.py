"""`nsfwcaps demo`: the whole pipeline on a synthetic world, scored against the ground truth."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from nsfwcaps import recipes
from nsfwcaps.artifacts import StageFolder
from nsfwcaps.commands import demo_figures, execution
from nsfwcaps.commands.options import DryRun, Json, Overwrite, Quiet
from nsfwcaps.commands.places import on_store
from nsfwcaps.stores.session import Use


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo")(demo)


@on_store(out=Use.WRITE)
def demo(
    out: Annotated[
        Path, typer.Option("--out", "-o", "--workdir", "-w", help="Folder of the run.")
    ] = Path("runs/demo"),
    as_json: Json = False,
    quiet: Quiet = False,
    dry_run: DryRun = False,
    overwrite: Overwrite = False,
) -> None:
    """Run the pipeline on a synthetic world, offline, and score it against the ground truth."""

    def truth() -> tuple[Mapping[str, Any], str]:
        score, by_edit = _score(out)
        apart = {edit: dataclasses.asdict(each) for edit, each in by_edit.items()}
        tables = (demo_figures.pairs_table(score, by_edit), demo_figures.training_table(out))
        text = "\n\n".join(filter(None, (*tables, demo_figures.reading(out))))
        return {"truth": {**dataclasses.asdict(score), "by_edit": apart}}, f"\n{text}"

    recipe = recipes.load("demo", [])
    execution.execute(
        recipe,
        out,
        as_json=as_json,
        quiet=quiet,
        dry_run=dry_run,
        overwrite=overwrite,
        summary=truth,
    )


def _score(out: Path) -> tuple[Any, Mapping[str, Any]]:
    """Score all pairs, and those of each edit."""
    from nsfwcaps.tables import read_tables
    from nsfwcaps.world.truth import read_edits, read_scenes, score, score_by_edit

    graded = StageFolder(out / "grade").record()
    assert graded is not None, "the grade stage has just run"
    columns = ["unsafe_id", "safe_id", "difficulty"]
    rows = [
        row for table in read_tables(graded.paths("pairs"), columns) for row in table.to_pylist()
    ]
    pairs = [(row["unsafe_id"], row["safe_id"]) for row in rows]
    difficulty = [row["difficulty"] for row in rows]
    scenes = {label: read_scenes(out / "pools" / label) for label in ("safe", "unsafe")}
    edits = read_edits(out / "pools" / "unsafe")
    return (
        score(pairs, difficulty, **scenes),
        score_by_edit(pairs, difficulty, **scenes, edits=edits),
    )
