"""`nsfwcaps eval`: models on the same data, what was gained and lost, and how sure that is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from nsfwcaps import pipeline, progress
from nsfwcaps.commands.options import DryRun, Json, Quiet
from nsfwcaps.encoders.options import EncoderOptions
from nsfwcaps.enums import Device, Precision
from nsfwcaps.errors import ConfigError, EvaluationError
from nsfwcaps.evaluation.datasets.splits import AskedSplit
from nsfwcaps.models import names

_SHOWN_REASONS = 5

_IMAGES = "Data: real images"
_CLASSES = "Data: classes"
_WORK = "How the work is done"

Models = Annotated[
    list[str],
    typer.Option(
        "--model", metavar="NAME=MODEL", help="Model, named as for embed; the first is the base."
    ),
]
PairSets = Annotated[
    list[str] | None,
    typer.Option(
        "--data",
        metavar="[NAME=]PATH",
        help="Pairs: a published data set, or a table with the columns of NSFWCaps or ViSU-Text. "
        "May repeat.",
    ),
]
ClassSets = Annotated[
    list[str] | None,
    typer.Option(
        "--zeroshot",
        metavar="[NAME=]PATH",
        help="Classes: a folder for each, a webdataset, or a table. May repeat.",
        rich_help_panel=_CLASSES,
    ),
]
Classes = Annotated[
    list[str] | None,
    typer.Option(
        "--classes",
        metavar="[NAME=]FILE",
        help="Their names: one a line, or JSON; for the set of that name, or for all.",
        rich_help_panel=_CLASSES,
    ),
]
Templates = Annotated[
    list[str] | None,
    typer.Option(
        "--templates",
        metavar="[NAME=]FILE",
        help="Sentences with {c} for the name, one a line. Default: OpenAI's 80.",
        rich_help_panel=_CLASSES,
    ),
]
UnsafeImages = Annotated[
    list[str] | None,
    typer.Option(
        metavar="[NAME=]PATH",
        help="Real unsafe images: a folder, tar files or a table. May repeat.",
        rich_help_panel=_IMAGES,
    ),
]
Distractors = Annotated[
    str | None,
    typer.Option(
        metavar="PATH",
        help="Safe images among them. Default: those of the first pair set.",
        rich_help_panel=_IMAGES,
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("eval")(evaluate)


def evaluate(
    model: Models,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the results.")],
    data: PairSets = None,
    zeroshot: ClassSets = None,
    classes: Classes = None,
    templates: Templates = None,
    unsafe_images: UnsafeImages = None,
    distractors: Distractors = None,
    suite: Annotated[
        str | None,
        typer.Option(
            help="Of retrieval, preferences, zeroshot, structure, real-nsfw. Default: what "
            "the data allows."
        ),
    ] = None,
    split: Annotated[
        AskedSplit | None,
        typer.Option(help="Split of the data sets; all: every pair. Default: test."),
    ] = None,
    image_root: Annotated[
        str | None, typer.Option(help="Folder or URL that relative paths of --data start from.")
    ] = None,
    samples: Annotated[int, typer.Option(min=100, help="Samples of the bootstrap.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of intervals and tests.")] = 0,
    examples: Annotated[
        bool, typer.Option(help="Keep examples with captions and small images, for the report.")
    ] = True,
    precision: Annotated[
        Precision, typer.Option(help="auto: half where the device has it.", rich_help_panel=_WORK)
    ] = Precision.AUTO,
    device: Annotated[
        Device, typer.Option(help="auto: the GPU when there is one.", rich_help_panel=_WORK)
    ] = Device.AUTO,
    batch_tokens: Annotated[
        int, typer.Option(min=1, help="Padded tokens per text batch.", rich_help_panel=_WORK)
    ] = 4096,
    batch_images: Annotated[
        int, typer.Option(min=1, help="Images per batch.", rich_help_panel=_WORK)
    ] = 32,
    workers: Annotated[
        int,
        typer.Option(min=1, help="Threads that decode and tokenise.", rich_help_panel=_WORK),
    ] = 2,
    as_json: Json = False,
    quiet: Quiet = False,
    dry_run: DryRun = False,
) -> None:
    """Compare models on the same data: retrieval, preferences, zero-shot accuracy, structure."""
    from nsfwcaps.evaluation.data import DISTRACTORS
    from nsfwcaps.evaluation.named_options import named
    from nsfwcaps.evaluation.request import EvaluationRequest, parse_suite
    from nsfwcaps.evaluation.run import Evaluation, check_folder

    options = EncoderOptions(
        device=device,
        precision=precision,
        batch_tokens=batch_tokens,
        batch_images=batch_images,
        workers=workers,
    )
    pairs, sets = named("--data", data or []), named("--zeroshot", zeroshot or [])
    images = named("--unsafe-images", unsafe_images or [])
    given = [name for name, _ in (*pairs, *sets, *images)]
    _check_distinct(given if distractors is None else [*given, DISTRACTORS])
    request = EvaluationRequest(
        models=_models(model, options),
        pairs=pairs,
        class_sets=_class_sets(sets, classes or [], templates or []),
        unsafe_images=images,
        distractors=distractors,
        tasks=parse_suite(suite),
        split=split,
        image_root=image_root,
        samples=samples,
        seed=seed,
        examples=examples,
    )
    if dry_run:
        shown = progress.for_terminal(quiet=True)
        _print_plan(Evaluation(request, out, shown), as_json=as_json)
        return
    check_folder(out)
    with pipeline.locked(out):
        shown = progress.for_terminal(quiet=quiet or as_json)
        _print_result(Evaluation(request, out, shown).run(), out, as_json=as_json)


def _models(given: Sequence[str], options: EncoderOptions) -> list[Any]:
    from nsfwcaps.evaluation.models import NamedModel
    from nsfwcaps.evaluation.named_options import named

    models = named("--model", given)
    for name, model in models:
        if wrong := names.problem(model):
            raise ConfigError(f"--model {name}: {wrong}")
    return [NamedModel(name=name, model=model, options=options) for name, model in models]


def _class_sets(
    sets: Sequence[tuple[str, str]], classes: Sequence[str], templates: Sequence[str]
) -> list[Any]:
    from nsfwcaps.evaluation.datasets.class_sets import ClassSetRequest

    names = [name for name, _ in sets]
    files_of = _files("--classes", classes, names), _files("--templates", templates, names)
    return [
        ClassSetRequest(
            name=name, url=url, classes=files_of[0].get(name), templates=files_of[1].get(name)
        )
        for name, url in sets
    ]


def _files(option: str, given: Sequence[str], names: Sequence[str]) -> dict[str, Path]:
    """File of each set: one that is given without a name is for all that have none."""
    of_all = [item for item in given if item.partition("=")[0] not in names]
    if of_all and not names:
        raise ConfigError(f"{option}: no classification set is named; add --zeroshot")
    if len(of_all) > 1:
        raise ConfigError(
            f"{option}: '{of_all[1]}' is for no set of --zeroshot ({', '.join(names)}); write "
            f"{option} NAME=FILE"
        )
    files = dict.fromkeys(names, Path(of_all[0])) if of_all else {}
    for item in given:
        name, _, file = item.partition("=")
        if name in names:
            files[name] = Path(file)
    return files


def _check_distinct(names: Sequence[str]) -> None:
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ConfigError(f"two data sets are called '{min(twice)}'; tell them apart as NAME=PATH")


def _print_plan(evaluation: Any, *, as_json: bool) -> None:
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


def _print_result(evaluated: Any, out: Path, *, as_json: bool) -> None:
    from nsfwcaps.evaluation import summary

    if as_json:
        typer.echo(json.dumps({"out": str(out), **summary.values(evaluated)}, indent=1))
    elif evaluated.parts:
        typer.echo(summary.tables(evaluated))
        typer.echo(f"\nResults: {out}; 'nsfwcaps report {out}' makes a report of them")
    if evaluated.missing:
        raise EvaluationError(_told(evaluated.missing, out))


def _told(missing: Sequence[Any], out: Path) -> str:
    reasons = "; ".join(str(item) for item in missing[:_SHOWN_REASONS])
    more = len(missing) - _SHOWN_REASONS
    rest = f"; and {more} more, in {out / 'run.json'}" if more > 0 else ""
    what = "a part is missing" if len(missing) == 1 else f"{len(missing)} parts are missing"
    return f"{what}: {reasons}{rest}"
