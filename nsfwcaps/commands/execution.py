"""Shared by the commands that run stages: run or plan a recipe and print the result."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import typer

from nsfwcaps import changes, config, pipeline, progress, recipes, subjects
from nsfwcaps.commands.options import OwnSettings
from nsfwcaps.enums import Device
from nsfwcaps.executors import driver_lock
from nsfwcaps.executors.create import executor_of
from nsfwcaps.executors.executor import Executor
from nsfwcaps.executors.parts import PartResult
from nsfwcaps.executors.settings import ExecutionSettings, parsed_part
from nsfwcaps.inspection.pairs import PAIR_STAGES
from nsfwcaps.pipeline import StageOutcome
from nsfwcaps.runtime import processes
from nsfwcaps.stages import STAGES

_RESERVED = ("state", "why", "seconds", "parts")
"""Keys of a plan that are no sizes."""

EXECUTION = OwnSettings("execution", ExecutionSettings)
"""Options of all commands that run stages."""

Summary = Callable[[], tuple[Mapping[str, Any], str]]
"""What a command adds after the stages: values for the JSON output, and text for people."""


def _fetching(run: Callable[..., None]) -> Callable[..., None]:
    """Let settings name folders on object stores."""

    @functools.wraps(run)
    def call(recipe: Mapping[str, Any], workdir: Path, **options: Any) -> None:
        shown = progress.for_terminal(quiet=options["quiet"] or options["as_json"])
        with recipes.fetched(recipe, shown) as ready:
            run(ready, workdir, **options)

    return call


@_fetching
def execute(
    recipe: Mapping[str, Any],
    workdir: Path,
    *,
    as_json: bool,
    quiet: bool,
    dry_run: bool,
    overwrite: bool = False,
    sharing: Mapping[str, Any] | None = None,
    summary: Summary = lambda: ({}, ""),
    planned: Summary = lambda: ({}, ""),
) -> None:
    """Run the stages of a recipe in order, or print the plan with `dry_run`.

    `overwrite` allows a folder that holds a run of other pools. `sharing` are options of
    `EXECUTION`. `summary` adds to the result, `planned` to the plan.
    """
    shared = config.parse(ExecutionSettings, sharing or {}, where="execution")
    recipe = recipes.prepare(recipe, workdir)
    if dry_run:
        replaced = subjects.replaced(recipe, workdir, overwrite=overwrite)
        _print_plan(pipeline.plan(recipe, workdir), replaced, planned(), as_json=as_json)
        return
    together = next(
        (recipe[s.name].device for s in STAGES if s.distributed and s.name in recipe), None
    )
    if not processes.launched().first:
        with processes.join(together) as group:
            pipeline.follow(recipe, workdir, group)
        return
    if shared.part is not None:
        _make_part(recipe, workdir, shared.part, as_json=as_json, quiet=quiet, overwrite=overwrite)
        return
    outcomes: list[StageOutcome] = []
    pairs_last = next((name for name in reversed(PAIR_STAGES) if name in recipe), None)

    def done(outcome: StageOutcome) -> None:
        outcomes.append(outcome)
        if not as_json:
            typer.echo(pipeline.line(outcome.record, skipped=outcome.skipped))
            for note in pipeline.notes(outcome):
                typer.echo(pipeline.indented(note))
            if outcome.record.stage == pairs_last and not all(each.skipped for each in outcomes):
                _print_quality(recipe, workdir, quiet=quiet)

    with processes.join(together), driver_lock.locked(workdir):
        shown = progress.for_terminal(quiet=quiet or as_json)
        executor = _executor(shared, recipe, shown)
        pipeline.run(recipe, workdir, shown, done, overwrite=overwrite, executor=executor)
    dataset = workdir / "dataset" if "publish" in recipe else None
    values, text = summary()
    if as_json:
        found = {"quality": _quality().facts(workdir)} if pairs_last else {}
        typer.echo(json.dumps({**_as_json(outcomes, dataset), **found, **values}, indent=1))
        return
    if text:
        typer.echo(text)
    if results := _results(recipe, workdir):
        typer.echo("\n" + "\n".join(results))
    if not quiet:
        _print_next_steps(recipe, workdir)


def _executor(
    shared: ExecutionSettings, recipe: Mapping[str, Any], shown: progress.Progress
) -> Executor | None:
    """Return who makes the shards; on GPUs, if a stage may use them."""
    devices = {getattr(own, "device", Device.CPU) for own in recipe.values()}
    return executor_of(shared, Device.CPU if devices == {Device.CPU} else Device.AUTO, shown)


def _make_part(
    recipe: Mapping[str, Any],
    workdir: Path,
    part: str,
    *,
    as_json: bool,
    quiet: bool,
    overwrite: bool,
) -> None:
    shown = progress.for_terminal(quiet=quiet or as_json)
    made = pipeline.run_part(recipe, workdir, parsed_part(part), shown, overwrite=overwrite)
    print_part(made, as_json=as_json)


def print_part(made: PartResult | None, *, as_json: bool) -> None:
    """Print what became of a part; None if there was nothing to do."""
    if as_json:
        found = None if made is None else dataclasses.asdict(made) | {"part": str(made.part)}
        typer.echo(json.dumps({"part": found}, indent=1))
    else:
        typer.echo("everything is up to date" if made is None else made.line)


def _quality() -> ModuleType:
    from nsfwcaps.inspection import quality  # numpy imports slowly

    return quality


def _print_quality(recipe: Mapping[str, Any], workdir: Path, *, quiet: bool) -> None:
    """Print how close the pairs are; the next steps may name `show` instead."""
    from nsfwcaps.commands import next_steps

    named_below = not quiet and next_steps.name_show(recipe)
    typer.echo(_quality().paragraph(workdir, None if named_below else next_steps.program()))


def _print_next_steps(recipe: Mapping[str, Any], workdir: Path) -> None:
    from nsfwcaps.commands import next_steps  # not needed for `--help`

    if following := next_steps.after_stages(recipe, workdir):
        typer.echo(following)


def _results(recipe: Mapping[str, Any], workdir: Path) -> list[str]:
    """Where the results are: the final ones, or else the last intermediate one."""
    delivering = [stage for stage in STAGES if stage.name in recipe and stage.delivers]
    final = [stage for stage in delivering if not stage.intermediate]
    shown = final or delivering[-1:]
    return [line for stage in shown for line in stage.results(recipe[stage.name], workdir)]


def _as_json(outcomes: list[StageOutcome], dataset: Path | None) -> dict[str, Any]:
    return {
        "stages": [
            {
                "stage": outcome.record.stage,
                "skipped": outcome.skipped,
                "rows_in": outcome.record.rows_in,
                "rows_out": outcome.record.rows_out,
                "rejects": outcome.record.rejects,
                "facts": outcome.record.facts,
                "notes": pipeline.notes(outcome),
                "replaced": outcome.other_run,
                "seconds": outcome.record.seconds,
                "output_digest": outcome.record.output_digest,
            }
            for outcome in outcomes
        ],
        "dataset": str(dataset) if dataset else None,
    }


def _print_plan(
    plans: Mapping[str, Mapping[str, Any]],
    replaced: Mapping[str, str],
    planned: tuple[Mapping[str, Any], str],
    *,
    as_json: bool,
) -> None:
    values, text = planned
    if as_json:
        more = {**({"replaces": replaced} if replaced else {}), **values}
        typer.echo(json.dumps({"plan": plans, **more}, indent=1))
        return
    for name, facts in plans.items():
        typer.echo(f"{name:<8} {facts['state']:<11} {_sizes(facts)}")
        for reason in changes.shortened(facts["why"]):
            typer.echo(f"{'':<8} {'':<11} - {reason}")
        if name in replaced:
            typer.echo(f"{'':<8} {'':<11} - replaces another run: {replaced[name]}")
    if text:
        typer.echo(text)


def _sizes(facts: Mapping[str, Any]) -> str:
    """Format the sizes of a plan, and the estimated time."""
    sizes = ", ".join(
        f"{value:,} {key.replace('_', ' ')}" for key, value in facts.items() if key not in _RESERVED
    )
    said = sizes or "size depends on the previous stage"
    if "seconds" not in facts:
        return said
    if (seconds := facts["seconds"]) is None:
        return f"{said}; time unknown until a first run"
    return f"{said}; about {_duration(seconds)}{_parts(facts.get('parts', {}))}"


def _parts(parts: Mapping[str, float]) -> str:
    """Format the time of each part: `reference 40 s, steps 4 min`."""
    if len(parts) <= 1:
        return ""
    times = (f"{name} {_duration(s) if s else 'done'}" for name, s in parts.items())
    return f" ({', '.join(times)})"


def _duration(seconds: float) -> str:
    """Format an estimate: `40 s`, `4 min`, `2.5 h`."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"
