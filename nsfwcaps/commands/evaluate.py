"""`nsfwcaps eval`: compare models on the same data, with confidence intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from annotated_types import Ge, Gt, Lt

from nsfwcaps import config, extras, progress, subjects
from nsfwcaps.commands import execution, paper_suite
from nsfwcaps.commands.evaluation_output import print_plan, print_result
from nsfwcaps.commands.options import (
    REQUIRED,
    DryRun,
    Json,
    Overwrite,
    OwnSettings,
    Quiet,
    option,
    with_settings,
)
from nsfwcaps.commands.places import settings_on_store
from nsfwcaps.config import STRICT_KEYS
from nsfwcaps.encoders.options import EncoderOptions
from nsfwcaps.enums import Device, Precision
from nsfwcaps.errors import ConfigError
from nsfwcaps.evaluation.datasets.splits import AskedSplit
from nsfwcaps.executors import driver_lock
from nsfwcaps.executors.settings import ExecutionSettings
from nsfwcaps.models import names
from nsfwcaps.stage import Values
from nsfwcaps.stores.session import Use

if TYPE_CHECKING:
    from nsfwcaps.evaluation.request import EvaluationRequest

_IMAGES = "Data: real images"
_CLASSES = "Data: classes"
_WORK = "Execution"


@dataclass(frozen=True, kw_only=True)
class EvaluateSettings:
    """The models, the data, the statistics, and how to run them."""

    __pydantic_config__ = STRICT_KEYS

    model: tuple[str, ...] = option(
        REQUIRED, "Model, as for embed --model; the first is the base.", metavar="NAME=MODEL"
    )
    out: Path = option(REQUIRED, "Output folder.", short="-o")
    data: tuple[str, ...] = option(
        (),
        "Pair set: a published data set, or a table with NSFWCaps or ViSU-Text columns.",
        metavar="[NAME=]PATH",
    )
    zeroshot: tuple[str, ...] = option(
        (),
        "Classification set: one folder per class, a webdataset, or a table.",
        metavar="[NAME=]PATH",
        panel=_CLASSES,
    )
    classes: tuple[str, ...] = option(
        (),
        "Class names: one per line, or JSON. Without NAME, for all sets.",
        metavar="[NAME=]FILE",
        panel=_CLASSES,
    )
    templates: tuple[str, ...] = option(
        (),
        "Prompt templates with {c} for the class, one per line, or clip_benchmark:SET. Default: "
        "OpenAI's 80 for ImageNet.",
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
        "Safe distractor images. Default: those of the first pair set.",
        metavar="PATH",
        panel=_IMAGES,
    )
    suite: tuple[str, ...] = option(
        (),
        "Tasks: retrieval, preferences, zeroshot, structure, real-nsfw; or paper: SafeR-CLIP's "
        "tables beside its published figures. Default: all the data supports.",
        metavar="TASK[,TASK]",
    )
    split: AskedSplit | None = option(None, "Split to evaluate; all: every pair. Default: test.")
    image_root: str | None = option(None, "Base folder or URL of relative image paths in --data.")
    by: str | None = option(
        None,
        "Column of --data by whose values figures are also given. Default: the category.",
        metavar="COLUMN",
    )
    samples: Annotated[int, Ge(100)] = option(
        20_000, "Random sign flips of each test without an exact p."
    )
    seed: Annotated[int, Ge(0)] = option(0, "Seed of the sign flips.")
    margin: Annotated[float, Gt(0), Lt(1)] = option(
        0.02, "Largest loss, as a share, with which a figure still counts as kept."
    )
    examples: bool = option(True, "Save example captions and thumbnails for the report.")
    precision: Precision = option(
        EncoderOptions.precision, "auto: half precision if the device supports it.", panel=_WORK
    )
    device: Device = option(EncoderOptions.device, "auto: the GPU if there is one.", panel=_WORK)
    batch_tokens: Annotated[int, Ge(1)] | None = option(
        EncoderOptions.batch_tokens,
        "Padded tokens per text batch. Default: as many as fit on a GPU; 4096 on a CPU.",
        panel=_WORK,
    )
    batch_images: Annotated[int, Ge(1)] | None = option(
        EncoderOptions.batch_images,
        "Images per batch. Default: as many as fit on a GPU; 32 on a CPU.",
        panel=_WORK,
    )
    workers: Annotated[int, Ge(1)] | None = option(
        EncoderOptions.workers,
        "Threads that decode images and tokenise text. Default: one a core.",
        panel=_WORK,
    )


_OWN = OwnSettings("eval", EvaluateSettings)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("eval")(evaluate)


_ON_STORE = {
    "out": Use.WRITE,
    "model": Use.READ,
    "data": Use.READ,
    "zeroshot": Use.READ,
    "unsafe_images": Use.READ,
}
"""Settings whose folders can be on a store."""


@with_settings([_OWN, execution.EXECUTION])
@settings_on_store(_OWN.name, _ON_STORE)
def evaluate(
    given: Values,
    as_json: Json = False,
    quiet: Quiet = False,
    dry_run: DryRun = False,
    overwrite: Overwrite = False,
) -> None:
    """Compare models on the same data: retrieval, preferences, zero-shot accuracy, structure."""
    from nsfwcaps.commands import evaluation_sharing as sharing
    from nsfwcaps.evaluation.record import check_folder
    from nsfwcaps.evaluation.replaced import replaced
    from nsfwcaps.evaluation.run import Evaluation

    settings = config.parse(EvaluateSettings, given[_OWN.name], where=_OWN.name)
    shared = config.parse(ExecutionSettings, given[execution.EXECUTION.name], where="execution")
    request, out = _request(settings), settings.out
    check_folder(out)
    paper_suite.refuse_without_data(request, out, as_json=as_json)

    shown = progress.for_terminal(quiet=quiet or as_json)

    def opened(shown: progress.Progress = shown) -> Evaluation:
        found = Evaluation(request, out, shown)
        if (lost := replaced(request, out)) and not overwrite:
            raise subjects.refusal(f"{out} holds results of another evaluation", lost)
        return found

    if dry_run:
        print_plan(opened(progress.Silent()), as_json=as_json)
        return
    if shared.part is not None:
        with driver_lock.without_driver(out):
            opened().begin()
        made = sharing.make_part(
            request,
            out,
            shared.part,
            shown,
            alone=lambda: driver_lock.without_driver(out),
            overwrite=overwrite,
        )
        execution.print_part(made, as_json=as_json)
        return
    with driver_lock.locked(out):
        evaluation = opened()
        agreed = sharing.share(evaluation, request, out, shared, shown, overwrite=overwrite)
        if agreed is not request:
            evaluation = Evaluation(agreed, out, shown)
        evaluated = evaluation.run()
        sharing.end(out)
        print_result(evaluated, request, out, as_json=as_json, quiet=quiet)


def _request(settings: EvaluateSettings) -> EvaluationRequest:
    from nsfwcaps.evaluation.data import DISTRACTORS
    from nsfwcaps.evaluation.named_options import named
    from nsfwcaps.evaluation.request import EvaluationRequest, asks_paper, parse_suite

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
        paper=asks_paper(settings.suite),
        split=settings.split,
        image_root=settings.image_root,
        by=settings.by,
        samples=settings.samples,
        seed=settings.seed,
        margin=settings.margin,
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
    from nsfwcaps.evaluation.named_options import files_of_sets

    names = [name for name, _ in sets]
    classes_of = files_of_sets("--classes", classes, names)
    templates_of = files_of_sets("--templates", templates, names)
    return [
        ClassSetRequest(
            name=name,
            url=url,
            classes=Path(classes_of[name]) if name in classes_of else None,
            templates=templates_of.get(name),
        )
        for name, url in sets
    ]


def _check_distinct(names: Sequence[str]) -> None:
    twice = {name for name in names if names.count(name) > 1}
    if twice:
        raise ConfigError(f"two data sets are named '{min(twice)}'; rename one with NAME=PATH")
