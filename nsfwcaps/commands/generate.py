"""`nsfwcaps generate`: third-party pipelines with a fine-tuned tower, judged by detectors."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from annotated_types import Ge, Gt, Lt

from nsfwcaps import config, extras, progress
from nsfwcaps.commands import next_steps
from nsfwcaps.commands.options import (
    REQUIRED,
    DryRun,
    Json,
    OwnSettings,
    Quiet,
    option,
    with_settings,
)
from nsfwcaps.commands.places import settings_on_store
from nsfwcaps.config import STRICT_KEYS
from nsfwcaps.enums import Device, Precision
from nsfwcaps.errors import ConfigError, EvaluationError, ModelError
from nsfwcaps.executors import driver_lock
from nsfwcaps.models import names
from nsfwcaps.stage import Values
from nsfwcaps.stores.session import Use

_WORK = "Execution"


@dataclass(frozen=True, kw_only=True)
class GenerateSettings:
    """The models to plug in, the detectors, and how to run them."""

    __pydantic_config__ = STRICT_KEYS

    model: tuple[str, ...] = option(
        REQUIRED,
        "Model whose tower replaces the pipeline's: as for embed --model, or a CLIPModel folder; "
        "state:FILE.pt: state dict of the text encoder alone; own: the unchanged pipeline. The "
        "first is the base. May repeat.",
        metavar="NAME=MODEL",
    )
    detector: tuple[str, ...] = option(
        REQUIRED,
        "Detector; an item is unsafe if any detector flags it. May repeat.",
        metavar="NAME",
    )
    out: Path = option(REQUIRED, "Output folder: new, or that of an eval.", short="-o")
    samples: Annotated[int, Ge(100)] = option(
        20_000, "Random sign flips of each test without an exact p."
    )
    seed: Annotated[int, Ge(0)] = option(0, "Seed of the sign flips.")
    margin: Annotated[float, Gt(0), Lt(1)] = option(
        0.02, "Largest loss, as a share, with which a figure still counts as kept."
    )
    batch: Annotated[int, Ge(1)] = option(1, "Images per batch.", panel=_WORK)
    precision: Precision = option(
        Precision.AUTO, "auto: half precision if the device supports it.", panel=_WORK
    )
    device: Device = option(Device.AUTO, "auto: the GPU if there is one.", panel=_WORK)


@dataclass(frozen=True, kw_only=True)
class TextToImageSettings:
    """The diffusion pipeline and its prompts."""

    __pydantic_config__ = STRICT_KEYS

    pipeline: str = option(REQUIRED, "Diffusers pipeline: folder or hub name.")
    prompts: str = option(REQUIRED, "Table of prompts with I2P columns.")
    seeds: Annotated[int, Ge(1)] = option(1, "Images per prompt.")
    steps: Annotated[int, Ge(1)] = option(50, "Denoising steps.")
    guidance: float = option(7.5, "Guidance scale of prompts that set none.")


@dataclass(frozen=True, kw_only=True)
class ImageToTextSettings:
    """The captioning model and its images."""

    __pydantic_config__ = STRICT_KEYS

    pipeline: str = option(REQUIRED, "LLaVA model for transformers: folder or hub name.")
    images: str = option(REQUIRED, "Folder, tar files or table of images.", metavar="[NAME=]PATH")
    template: str | None = option(None, "Prompt that contains <image>. Default: LLaVA-1.5's.")
    new_tokens: Annotated[int, Ge(1)] = option(64, "Maximum tokens per caption.")


_SHARED = OwnSettings("generate", GenerateSettings)
_DRAWN = OwnSettings("text-to-image", TextToImageSettings)
_DESCRIBED = OwnSettings("image-to-text", ImageToTextSettings)
_ON_STORE = {"out": Use.WRITE, "model": Use.READ}


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """Options that both commands share."""

    models: Sequence[tuple[str, str]]
    settings: GenerateSettings
    as_json: bool
    quiet: bool


def register(app: typer.Typer) -> None:
    """Add the commands."""
    commands = typer.Typer(no_args_is_help=True)
    commands.callback()(generate)
    commands.command("text-to-image")(text_to_image)
    commands.command("image-to-text")(image_to_text)
    app.add_typer(commands, name="generate")


def generate() -> None:
    """Measure how unsafe a generation pipeline is with a fine-tuned tower."""


@with_settings([_DRAWN, _SHARED])
@settings_on_store(_SHARED.name, _ON_STORE)
def text_to_image(
    given: Values, as_json: Json = False, quiet: Quiet = False, dry_run: DryRun = False
) -> None:
    """Count the unsafe images of a diffusion pipeline with each model's text encoder."""
    from nsfwcaps.generation.drawing import DrawPrompts
    from nsfwcaps.generation.prompts import read_prompts
    from nsfwcaps.generation.text_to_image import TextToImage, TextToImageSampling

    asked = _asked(given, as_json=as_json, quiet=quiet)
    own = config.parse(TextToImageSettings, given[_DRAWN.name], where=_DRAWN.name)
    sampling = TextToImageSampling(steps=own.steps, guidance_scale=own.guidance)
    _check(asked, own.pipeline, "image")
    wanted, how = read_prompts(own.prompts), asked.settings
    if dry_run:
        count = len(wanted.prompts)
        _print_plan(asked, {"prompts": count, "images": count * own.seeds})
        return
    extras.require({"generation": "drawing"})

    def drawing() -> Any:
        drawn = TextToImage(own.pipeline, sampling, how.device, how.precision)
        return DrawPrompts(drawn, wanted, own.seeds, how.batch)

    _evaluate(drawing, "image", asked)


@with_settings([_DESCRIBED, _SHARED])
@settings_on_store(_SHARED.name, _ON_STORE)
def image_to_text(
    given: Values, as_json: Json = False, quiet: Quiet = False, dry_run: DryRun = False
) -> None:
    """Count the unsafe captions of a LLaVA model with each model's vision tower."""
    from nsfwcaps.evaluation.datasets.image_sets import read_images
    from nsfwcaps.evaluation.named_options import named
    from nsfwcaps.generation.describing import DescribePictures
    from nsfwcaps.generation.image_to_text import TEMPLATE, Captioning, ImageToText

    asked = _asked(given, as_json=as_json, quiet=quiet)
    own = config.parse(ImageToTextSettings, given[_DESCRIBED.name], where=_DESCRIBED.name)
    captioning = Captioning(template=own.template or TEMPLATE, new_tokens=own.new_tokens)
    _check(asked, own.pipeline, "text")
    ((name, url),) = named("--images", [own.images])
    wanted = read_images(name, url, progress.for_terminal(quiet=quiet or as_json))
    how = asked.settings
    if dry_run:
        _print_plan(asked, {"images": len(wanted.pictures)})
        return

    def describing() -> Any:
        described = ImageToText(own.pipeline, captioning, how.device, how.precision)
        return DescribePictures(described, wanted, how.batch)

    _evaluate(describing, "text", asked)


def _asked(given: Values, *, as_json: bool, quiet: bool) -> _Asked:
    from nsfwcaps.evaluation.named_options import named

    settings = config.parse(GenerateSettings, given[_SHARED.name], where=_SHARED.name)
    models = named("--model", settings.model)
    return _Asked(models=models, settings=settings, as_json=as_json, quiet=quiet)


def _check(asked: _Asked, pipeline: str, judged: str) -> None:
    """Check, in seconds and before data are read, that all that is to be loaded is there.

    Raises:
        ModelError: the base, the pipeline or a detector is not, or an extra is not installed.
    """
    from nsfwcaps.detectors import registry
    from nsfwcaps.detectors.detector import Modality
    from nsfwcaps.evaluation.record import check_folder
    from nsfwcaps.generation.text_state import SCHEME, is_text_state
    from nsfwcaps.generation.towers import check_available
    from nsfwcaps.runtime import hub

    check_folder(asked.settings.out)
    shown = progress.for_terminal(quiet=asked.quiet or asked.as_json)
    for number, (name, model) in enumerate(asked.models):
        if judged == "text" and is_text_state(model):
            raise ConfigError(
                f"--model {name}: {SCHEME} names a text encoder, which image-to-text does not "
                "replace; use a trained run, an open_clip model or the folder of a CLIPModel"
            )
        extras.require(names.extras_of(model))
        try:
            check_available(model, f"--model {name}")
        except ModelError as error:  # it will be reported at the end too
            if number == 0:
                raise
            shown.note(f"not evaluated: {error}")
    hub.require_model(pipeline, f"--pipeline {pipeline}")
    for detector in asked.settings.detector:
        registry.check(detector, Modality(judged))


def _evaluate(generator: Callable[[], Any], judged: str, asked: _Asked) -> None:
    """Load detectors, then the generator, and run all models through it."""
    from nsfwcaps.detectors.detector import Modality
    from nsfwcaps.detectors.registry import load_all
    from nsfwcaps.generation.evaluate import GenerationEvaluation
    from nsfwcaps.generation.record import Certainty

    settings = asked.settings
    detectors = load_all(settings.detector, Modality(judged), settings.device)
    certainty = Certainty(samples=settings.samples, seed=settings.seed, margin=settings.margin)
    shown = progress.for_terminal(quiet=asked.quiet or asked.as_json)
    with driver_lock.locked(settings.out):
        evaluation = GenerationEvaluation(
            generator(), detectors, asked.models, settings.out, certainty
        )
        found = evaluation.run(shown)
    statements = [detector.statement for detector in detectors]
    _print_result(found, statements, asked)
    if found.missing:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in found.missing.items())
        raise EvaluationError(f"{len(found.missing)} models could not be evaluated: {reasons}")


def _print_plan(asked: _Asked, counts: Mapping[str, int]) -> None:
    models, detectors = [name for name, _ in asked.models], asked.settings.detector
    if asked.as_json:
        plan = {"models": models, "detectors": list(detectors), **counts}
        typer.echo(json.dumps({"plan": plan}, indent=1))
        return
    sizes = ", ".join(f"{count:,} {what}" for what, count in counts.items())
    typer.echo(f"{sizes} per model; models: {', '.join(models)}; detectors: {', '.join(detectors)}")


def _print_result(found: Any, statements: Sequence[Any], asked: _Asked) -> None:
    from nsfwcaps.evaluation.verdicts import in_words
    from nsfwcaps.reports.figures import write, write_difference, write_interval, write_n

    if asked.as_json:
        described = [statement.as_json() for statement in statements]
        values = {
            "results": found.results,
            "comparisons": found.comparisons,
            "missing": found.missing,
            "detectors": described,
            "notes": found.notes,
        }
        typer.echo(json.dumps({"out": str(asked.settings.out), **values}, indent=1))
        return
    judged = {test["model"]: test for test in found.comparisons if test["verdict"]}
    for name, figures in found.results.items():
        whole, figure = next(iter(figures.items()))
        said = f"{whole}, {write_n(figure['n'], figure['units'])}: {write(whole, figure['value'])}"
        said += f" ({write_interval(whole, figure['low'], figure['high'])})"
        if test := judged.get(name):
            said += (
                f"; {write_difference(whole, test['difference'])} "
                f"({write_interval(whole, test['low'], test['high'])}) against {test['base']}: "
                f"{in_words(test)}"
            )
        typer.echo(f"{name}: {said}")
    for statement in statements:
        typer.echo(
            f"{statement.name} detects {statement.trained_for}. Licence: {statement.licence}"
        )
    for note in found.notes:
        typer.echo(note)
    typer.echo(f"Results: {asked.settings.out}")
    if not asked.quiet:
        typer.echo(next_steps.after_evaluation(asked.settings.out))
