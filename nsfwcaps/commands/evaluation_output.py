"""What `nsfwcaps eval` prints."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from nsfwcaps.commands import next_steps, paper_suite
from nsfwcaps.errors import EvaluationError

if TYPE_CHECKING:
    from nsfwcaps.evaluation.request import EvaluationRequest

_SHOWN_REASONS = 5


def print_plan(evaluation: Any, *, as_json: bool) -> None:
    """Print what is done and what is to do."""
    words = {True: "done", False: "to do", None: "to do"}
    planned = evaluation.planned()
    if as_json:
        plan = [
            {
                "dataset": one.part.dataset,
                "task": one.part.task.value,
                "model": one.part.model,
                "state": words[one.done],
            }
            for one in planned
        ]
        missing = [item.facts for item in evaluation.missing]
        typer.echo(json.dumps({"plan": plan, "missing": missing}, indent=1))
        return
    for one in planned:
        part = one.part
        typer.echo(f"{words[one.done]:<8}{part.dataset}  {part.task.value}  {part.model}")
    for item in evaluation.missing:
        typer.echo(f"missing {item}")


def print_result(
    evaluated: Any, request: EvaluationRequest, out: Path, *, as_json: bool, quiet: bool
) -> None:
    """Print the figures.

    Raises:
        EvaluationError: a part is missing.
    """
    from nsfwcaps.evaluation import basis, summary

    if as_json:
        values = {**summary.values(evaluated), "basis": basis.facts(evaluated)}
        values["notes"] = evaluated.notes
        if request.paper:
            values["paper"] = paper_suite.paper_facts(request, out)
        typer.echo(json.dumps({"out": str(out), **values}, indent=1))
    elif evaluated.parts:
        typer.echo(summary.tables(evaluated))
        typer.echo(basis.text(evaluated, by=request.by))
        if request.paper:
            paper_suite.print_paper(request, out, evaluated.missing)
        for note in evaluated.notes:
            typer.echo(note)
        typer.echo(f"\nResults: {out}")
        if not quiet:
            typer.echo(next_steps.after_evaluation(out))
    if evaluated.missing:
        raise EvaluationError(_missing_message(evaluated.missing, out))


def _missing_message(missing: Sequence[Any], out: Path) -> str:
    reasons = "; ".join(str(item) for item in missing[:_SHOWN_REASONS])
    more = len(missing) - _SHOWN_REASONS
    rest = f"; and {more} more, see {out / 'run.json'}" if more > 0 else ""
    what = "a part is missing" if len(missing) == 1 else f"{len(missing)} parts are missing"
    return f"{what}: {reasons}{rest}"
