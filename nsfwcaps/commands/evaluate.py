"""`nsfwcaps eval`: models on the same data, what was gained and lost, and how sure that is."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from annotated_types import Ge

from nsfwcaps import config, extras, pipeline, progress
from nsfwcaps.commands.options import (
    REQUIRED,
    DryRun,
    Json,
    OwnSettings,
    Quiet,
    option,
    with_settings,
)
from nsfwcaps.config import STRICT_KEYS
from nsfwcaps.encoders.options import EncoderOptions
from nsfwcaps.enums import Device, Precision
from nsfwcaps.errors import ConfigError, EvaluationError
from nsfwcaps.evaluation.datasets.splits import AskedSplit
from nsfwcaps.models import names
from nsfwcaps.stage import Values

if TYPE_CHECKING:
    from nsfwcaps.evaluation.request import EvaluationRequest

_SHOWN_REASONS = 5

_IMAGES = "Data: real images"
_CLASSES = "Data: classes"
_WORK = "How the work is done"


@dataclass(frozen=True, kw_only=True)
class EvaluateSettings:
    """What is compared on which data, how sure the figures shall be, and how the work is done."""

    __pydantic_config__ = STRICT_KEYS

    model: tuple[str, ...] = option(
        REQUIRED, "Model, named as for embed; the first is the base.", metavar="NAME=MODEL"
    )
    out: Path = option(REQUIRED, "Folder of the results.", short="-o")
    data: tuple[str, ...] = option(
        (),
        "Pairs: a published data set, or a table with the columns of NSFWCaps or ViSU-Text.",
        metavar="[NAME=]PATH",
    )
    zeroshot: tuple[str, ...] = option(
        (),
        "Classes: a folder for each, a webdataset, or a table.",
        metavar="[NAME=]PATH",
        panel=_CLASSES,
    )
    classes: tuple[str, ...] = option(
        (),
        "Their names: one a line, or JSON; for the set of that name, or for all.",
        metavar="[NAME=]FILE",
        panel=_CLASSES,
    )
    templates: tuple[str, ...] = option(
        (),
        "Sentences with {c} for the name, one a line. Default: OpenAI's 80.",
        metavar="[NAME=]FILE",
        panel=_CLASSES,
    )
    unsafe_images: tuple[str, ...] = option(
        (),
        "Real unsafe images: a folder, tar files or a table.",
        metavar="[NAME=]PATH",
        panel=_IMAGES,
    )
    distractors: str | None = option(
        None,
        "Safe images among them. Default: those of the first pair set.",
        metavar="PATH",
        panel=_IMAGES,
    )
    suite: str | None = option(
        None,
        "Of retrieval, preferences, zeroshot, structure, real-nsfw. Default: what the data allows.",
    )
    split: AskedSplit | None = option(
        None, "Split of the data sets; all: every pair. Default: test."
    )
    image_root: str | None = option(None, "Folder or URL that relative paths of --data start from.")
    samples: Annotated[int, Ge(100)] = option(2000, "Samples of the bootstrap.")
    seed: Annotated[int, Ge(0)] = option(0, "Seed of intervals and tests.")
    examples: bool = option(True, "Keep examples with captions and small images, for the report.")
    precision: Precision = option(
        EncoderOptions.precision, "auto: half where the device has it.", panel=_WORK
    )
    device: Device = option(EncoderOptions.device, "auto: the GPU when there is one.", panel=_WORK)
    batch_tokens: Annotated[int, Ge(1)] = option(
        EncoderOptions.batch_tokens, "Padded tokens per text batch.", panel=_WORK
    )
    batch_images: Annotated[int, Ge(1)] = option(
        EncoderOptions.batch_images, "Images per batch.", panel=_WORK
    )
    workers: Annotated[int, Ge(1)] = option(
        EncoderOptions.workers, "Threads that decode and tokenise.", panel=_WORK
    )


_OWN = OwnSettings("eval", EvaluateSettings)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("eval")(evaluate)


@with_settings([_OWN])
def evaluate(
    given: Values, as_json: Json = False, quiet: Quiet = False, dry_run: DryRun = False
) -> None:
    """Compare models on the same data: retrieval, preferences, zero-shot accuracy, structure."""
    from nsfwcaps.evaluation.run import Evaluation, check_folder

    settings = config.parse(EvaluateSettings, given[_OWN.name], where=_OWN.name)
    request, out = _request(settings), settings.out
    if dry_run:
        shown = progress.for_terminal(quiet=True)
        _print_plan(Evaluation(request, out, shown), as_json=as_json)
        return
    check_folder(out)
    with pipeline.locked(out):
        shown = progress.for_terminal(quiet=quiet or as_json)
        _print_result(Evaluation(request, out, shown).run(), out, as_json=as_json)


def _request(settings: EvaluateSettings) -> EvaluationRequest:
    from nsfwcaps.evaluation.data import DISTRACTORS
    from nsfwcaps.evaluation.named_options import named
    from nsfwcaps.evaluation.request import EvaluationRequest, parse_suite

    pairs, sets = named("--data", settings.data), named("--zeroshot", settings.zeroshot)
    images = named("--unsafe-images", settings.unsafe_images)
    given = [name for name, _ in (*pairs, *sets, *images)]
    _check_distinct(given if settings.distractors is None else [*given, DISTRACTORS])
    return EvaluationRequest(
        models=_models(settings.model, EncoderOptions.of(settings)),
        pairs=pairs,
        class_sets=_class_sets(sets, settings.classes, settings.templates),
        unsafe_images=images,
        distractors=settings.distractors,
        tasks=parse_suite(settings.suite),
        split=settings.split,
        image_root=settings.image_root,
        samples=settings.samples,
        seed=settings.seed,
        examples=settings.examples,
    )


def _models(given: Sequence[str], options: EncoderOptions) -> list[Any]:
    from nsfwcaps.evaluation.models import NamedModel
    from nsfwcaps.evaluation.named_options import named

    models = named("--model", given)
    for name, model in models:
        if wrong := names.problem(model):
            raise ConfigError(f"--model {name}: {wrong}")
        extras.require(names.extras_of(model))
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
