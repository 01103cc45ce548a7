"""What the commands that run stages share: run or plan a recipe, and print what came of it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import typer

from nsfwcaps import pipeline, progress, recipes
from nsfwcaps.pipeline import STAGE, StageOutcome, State
from nsfwcaps.training import processes

_READ_BY_NAME = {
    "world": ("ingest", "embed", "mine", "grade", "publish", "train"),
    "construct": ("ingest", "embed", "mine", "grade", "publish", "train"),
    "illustrate": ("ingest", "embed", "mine", "grade", "publish", "train"),
    "publish": ("train",),
}
"""Stages whose files others may be told to read by their names, and those others."""

Summary = Callable[[], tuple[Mapping[str, Any], str]]
"""What a command adds when the stages are done: values for the JSON, and text for people."""


def execute(
    recipe: Mapping[str, Any],
    workdir: Path,
    *,
    as_json: bool,
    quiet: bool,
    dry_run: bool,
    summary: Summary = lambda: ({}, ""),
) -> None:
    """Run the stages of a recipe in order, or with `dry_run` say what that would do."""
    recipe = recipes.placed(recipe, workdir)
    pipeline.check(recipe)
    if dry_run:
        _print_plan(recipe, workdir, as_json=as_json)
        return
    together = recipe["train"].device if "train" in recipe else None
    if not processes.launched().first:
        with processes.join(together) as group:
            pipeline.follow(recipe, workdir, group)
        return
    outcomes: list[StageOutcome] = []

    def done(outcome: StageOutcome) -> None:
        outcomes.append(outcome)
        if not as_json:
            typer.echo(_line(outcome))

    with processes.join(together), pipeline.locked(workdir):
        pipeline.run(recipe, workdir, progress.for_terminal(quiet=quiet or as_json), done)
    dataset = workdir / "dataset" if "publish" in recipe else None
    values, text = summary()
    if as_json:
        typer.echo(json.dumps({**_result(outcomes, dataset), **values}, indent=1))
        return
    if text:
        typer.echo(text)
    if places := list(_places(recipe, workdir)):
        typer.echo("\n" + "\n".join(places))


def _places(recipe: Mapping[str, Any], workdir: Path) -> Iterator[str]:
    """Say where the results are."""
    if "publish" in recipe:
        yield f"Data set: {workdir / 'dataset'}"
        yield f"Its card: {workdir / 'dataset' / 'README.md'}"
    elif "illustrate" in recipe:
        pool = workdir / "pools" / "illustrated"
        yield f"Images: {pool}; what they are: {pool}.md"
    elif "construct" in recipe:
        pools = workdir / "pools"
        yield f"Pools: {pools}; what they are: {pools / 'README.md'}"
    elif "world" in recipe:
        pools = workdir / "pools"
        yield f"Pools: {pools}; what they are: {pools / 'README.md'}"
        if recipe["world"].unsafe_scenes:
            options = [f"--{name} {shlex.quote(str(pools / name))}" for name in ("safe", "unsafe")]
            yield f"Next: nsfwcaps build {' '.join(options)} --out RUN"
    if "train" in recipe:
        yield f"Adapters: {workdir / 'model'}"


def _ready(recipe: Mapping[str, Any], workdir: Path) -> list[str]:
    """Stages that can be planned: the files that they read by name must be there."""
    ready = [name for name in STAGE if name in recipe]
    for writer, readers in _READ_BY_NAME.items():
        undone = writer in recipe and (
            pipeline.state(STAGE[writer], recipe[writer], workdir) is not State.CURRENT
        )
        if undone:
            ready = [name for name in ready if name not in readers]
    return ready


def _fresh(name: str, states: Mapping[str, State]) -> bool:
    """Tell whether all that a stage reads is up to date."""
    return all(states.get(read, State.CURRENT) is State.CURRENT for read in STAGE[name].reads)


def _line(outcome: StageOutcome) -> str:
    record = outcome.record
    state = "up to date" if outcome.skipped else f"{record.seconds:.1f} s"
    parts = [f"{record.stage:<8}{state:>11}  {_headline(record.stage, record.facts)}"]
    if record.rejects:
        why = ", ".join(f"{count:,} {reason}" for reason, count in record.rejects.items())
        parts.append(f"set aside: {why}")
    return "; ".join(parts)


def _headline(stage: str, facts: Mapping[str, Any]) -> str:
    """Say the one thing that a person wants to know of a stage."""
    if stage == "world":
        return f"{facts['safe']:,} safe and {facts['unsafe']:,} unsafe scenes"
    if stage == "construct":
        alignment = facts["alignment"]["mean"]
        return f"{facts['pairs']:,} pairs, mean alignment {alignment:.3f}{_short(facts)}"
    if stage == "illustrate":
        labels = ", ".join(f"{count:,} {label}" for label, count in facts["label"].items())
        return f"{facts['images']:,} images by {facts['painter']['name']}: {labels}"
    if stage == "ingest":
        count = facts["captions"]
        return f"{count['safe']:,} safe and {count['unsafe']:,} unsafe captions"
    if stage == "embed":
        return f"{sum(facts['captions'].values()):,} vectors by {facts['encoder']['name']}"
    if stage == "mine":
        hubs = facts["hubs"]
        return (
            f"{facts['pairs']:,} pairs, {hubs['distinct_targets']:,} distinct safe targets, "
            f"largest hub {hubs['largest_hub']}"
        )
    if stage == "grade":
        return ", ".join(f"{facts['stages'][name]:,} {name}" for name in ("easy", "medium", "hard"))
    if stage == "train":
        return f"{facts['pairs']['train']:,} pairs, {facts['steps']:,} steps{_gain(facts)}"
    return ", ".join(
        f"{facts['split'].get(name, 0):,} {name}" for name in ("train", "validation", "test")
    )


def _short(facts: Mapping[str, Any]) -> str:
    """Categories whose quota could not be met."""
    lacking = [
        f"{item['missing']:,} of {item['quota']:,} {name}"
        for name, item in facts["category"].items()
        if item["missing"]
    ]
    if not lacking:
        return ""
    steps = facts["steps"]
    # Each usable caption is edited once in each category: where all are, only new ones help.
    more = steps["requests"] < steps["usable"] * len(facts["category"])
    advice = "raise --tries to ask for more edits" if more else "a larger --pool gives more edits"
    return f"; missing: {', '.join(lacking)} ({advice})"


def _gain(facts: Mapping[str, Any]) -> str:
    """Redirection and safe retrieval on the validation split, before and after."""
    scores = facts["validation"]
    before, after = scores[0], scores[facts["kept_epoch"]]
    if not before:
        return ""
    figures = {
        "redirected": ("unsafe_text_to_image", "unsafe_image_to_text"),
        "safe found": ("safe_text_to_image", "safe_image_to_text"),
    }
    changes = []
    for name, keys in figures.items():
        was, now = (sum(score[key] for key in keys) / len(keys) for score in (before, after))
        changes.append(f"{name} {was:.0%} to {now:.0%}")
    return f"; validation: {', '.join(changes)}"


def _result(outcomes: list[StageOutcome], dataset: Path | None) -> dict[str, Any]:
    return {
        "stages": [
            {
                "stage": outcome.record.stage,
                "skipped": outcome.skipped,
                "rows_in": outcome.record.rows_in,
                "rows_out": outcome.record.rows_out,
                "rejects": outcome.record.rejects,
                "facts": outcome.record.facts,
                "seconds": outcome.record.seconds,
                "output_digest": outcome.record.output_digest,
            }
            for outcome in outcomes
        ],
        "dataset": str(dataset) if dataset else None,
    }


def _print_plan(recipe: Mapping[str, Any], workdir: Path, *, as_json: bool) -> None:
    plans = {
        name: pipeline.plan(STAGE[name], recipe[name], workdir) for name in _ready(recipe, workdir)
    }
    states = pipeline.spread({name: State(facts["state"]) for name, facts in plans.items()})
    plans = {
        # Sizes of an input that will be made anew are those of yesterday.
        name: {**(facts if _fresh(name, states) else {}), "state": states[name].value}
        for name, facts in plans.items()
    }
    if as_json:
        typer.echo(json.dumps({"plan": plans}, indent=1))
        return
    for name, facts in plans.items():
        sizes = ", ".join(
            f"{value:,} {key.replace('_', ' ')}" for key, value in facts.items() if key != "state"
        )
        typer.echo(
            f"{name:<8} {facts['state']:<11} {sizes or 'sizes known after the stage before'}"
        )
