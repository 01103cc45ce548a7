"""`nsfwcaps eval --suite paper`: the paper's tables after an evaluation, or what they need."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from nsfwcaps.errors import EvaluationError

if TYPE_CHECKING:
    from nsfwcaps.evaluation.request import EvaluationRequest


def paper_facts(request: EvaluationRequest, out: Path) -> list[dict[str, Any]]:
    """Return the paper's tables as JSON."""
    return [table.facts for table in _tables(request, out)]


def print_paper(request: EvaluationRequest, out: Path, missing: Sequence[Any]) -> None:
    """Print the paper's tables with measured rows, and what is missing for them."""
    from nsfwcaps.evaluation.paper.text import paper_text

    typer.echo(f"\n{paper_text(_tables(request, out), missing)}")


def refuse_without_data(request: EvaluationRequest, out: Path, *, as_json: bool) -> None:
    """Say what the suite needs if no data set was given.

    Raises:
        EvaluationError: the suite was requested without any data set.
    """
    from nsfwcaps.evaluation.paper.needs import missing_for_paper

    if not request.paper or request.pairs or request.class_sets or request.unsafe_images:
        return
    missing = missing_for_paper(request, None, out)
    if as_json:
        lacking = [item.facts for item in missing]
        said = {"out": str(out), "paper": paper_facts(request, out), "missing": lacking}
        typer.echo(json.dumps(said, indent=1))
    else:
        print_paper(request, out, missing)
    raise EvaluationError(
        f"nothing to evaluate: {len(missing)} parts of the paper's suite are missing, listed "
        "above; give --data visu=PATH, --zeroshot NAME=PATH or others of them"
    )


def _tables(request: EvaluationRequest, out: Path) -> list[Any]:
    from nsfwcaps.evaluation.paper.measured import measured_tables

    return measured_tables(out, [one.name for one in request.models])
