"""`nsfwcaps demo`: the whole pipeline on a world of icons, offline, and how right it was."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from nsfwcaps import recipes
from nsfwcaps.artifacts import StageFolder
from nsfwcaps.commands import execution
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
    """Draw a world of icons, run the whole pipeline on it, offline, and score it by the truth."""

    def truth() -> tuple[Mapping[str, Any], str]:
        score = _score(out)
        correlation = score.difficulty_correlation
        return {"truth": dataclasses.asdict(score)}, (
            "\nBy the graphs of the scenes:\n"
            f"  the target is a closest safe scene in {score.precision:.0%} of the pairs "
            f"(at random: {score.chance:.1%})\n"
            f"  mean distance of the targets {score.mined_distance:.2f}, "
            f"of the closest {score.nearest_distance:.2f}\n"
            "  rank correlation of difficulty and distance "
            + ("undefined: one does not vary" if correlation is None else f"{correlation:.2f}")
        )

    recipe = recipes.load("demo", [])
    execution.execute(recipe, out, as_json=as_json, quiet=quiet, dry_run=dry_run, summary=truth)


def _score(out: Path) -> Any:
    from nsfwcaps.tables import read_tables
    from nsfwcaps.world.truth import read_scenes, score

    graded = StageFolder(out / "grade").record()
    assert graded is not None, "the stages have just run"
    columns = ["unsafe_id", "safe_id", "difficulty"]
    rows = [
        row for table in read_tables(graded.paths("pairs"), columns) for row in table.to_pylist()
    ]
    return score(
        [(row["unsafe_id"], row["safe_id"]) for row in rows],
        [row["difficulty"] for row in rows],
        safe=read_scenes(out / "pools" / "safe"),
        unsafe=read_scenes(out / "pools" / "unsafe"),
    )
