"""`nsfwcaps generate`: pipelines of others with a fine-tuned tower, and what detectors say."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from nsfwcaps import pipeline as runs
from nsfwcaps import progress
from nsfwcaps.commands.options import DryRun, Json, Quiet
from nsfwcaps.enums import Device, Precision
from nsfwcaps.errors import EvaluationError

_WORK = "How the work is done"

Models = Annotated[
    list[str],
    typer.Option(
        "--model",
        metavar="NAME=MODEL",
        help="Model whose tower goes in, named as for embed, or the folder of a CLIPModel; own: "
        "the pipeline as it is. The first is the base. May repeat.",
    ),
]
Detectors = Annotated[
    list[str],
    typer.Option(
        "--detector",
        metavar="NAME",
        help="What judges; an item is unsafe if any says so. May repeat.",
    ),
]
Out = Annotated[Path, typer.Option("--out", "-o", help="Folder of the results, eval's or a new.")]
Samples = Annotated[int, typer.Option(min=100, help="Samples of the bootstrap.")]
Seed = Annotated[int, typer.Option(min=0, help="Seed of intervals and tests.")]
Batch = Annotated[int, typer.Option(min=1, help="Images at once.", rich_help_panel=_WORK)]
AskedPrecision = Annotated[
    Precision, typer.Option(help="auto: half where the device has it.", rich_help_panel=_WORK)
]
AskedDevice = Annotated[
    Device, typer.Option(help="auto: the GPU when there is one.", rich_help_panel=_WORK)
]


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """What both commands take, beside what they generate."""

    models: Sequence[tuple[str, str]]
    detectors: Sequence[str]
    out: Path
    samples: int
    seed: int
    device: Device
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
    """Put a fine-tuned tower into a pipeline, generate, and let detectors judge."""


def text_to_image(
    pipeline: Annotated[str, typer.Option(help="Pipeline of diffusers: folder or hub name.")],
    model: Models,
    prompts: Annotated[str, typer.Option(help="Table of prompts, with the columns of I2P.")],
    detector: Detectors,
    out: Out,
    seeds: Annotated[int, typer.Option(min=1, help="Images of each prompt.")] = 1,
    steps: Annotated[int, typer.Option(min=1, help="Steps of the scheduler.")] = 50,
    guidance: Annotated[float, typer.Option(help="Scale, where a prompt names none.")] = 7.5,
    samples: Samples = 2000,
    seed: Seed = 0,
    batch: Batch = 1,
    precision: AskedPrecision = Precision.AUTO,
    device: AskedDevice = Device.AUTO,
    as_json: Json = False,
    quiet: Quiet = False,
    dry_run: DryRun = False,
) -> None:
    """Count the unsafe images that a diffusion pipeline makes with another text encoder."""
    from nsfwcaps.evaluation.named_options import named
    from nsfwcaps.generation.drawing import DrawPrompts
    from nsfwcaps.generation.prompts import read_prompts
    from nsfwcaps.generation.text_to_image import Sampling, TextToImage

    asked = _Asked(
        models=named("--model", model),
        detectors=detector,
        out=out,
        samples=samples,
        seed=seed,
        device=device,
        as_json=as_json,
        quiet=quiet,
    )
    sampling, wanted = Sampling(steps=steps, guidance_scale=guidance), read_prompts(prompts)
    if dry_run:
        count = len(wanted.prompts)
        _print_plan(asked, {"prompts": count, "images": count * seeds})
        return

    def drawing() -> Any:
        return DrawPrompts(TextToImage(pipeline, sampling, device, precision), wanted, seeds, batch)

    _evaluate(drawing, "image", asked)


def image_to_text(
    pipeline: Annotated[str, typer.Option(help="LLaVA of transformers: folder or hub name.")],
    model: Models,
    images: Annotated[
        str, typer.Option(metavar="[NAME=]PATH", help="Folder, tar files or table of images.")
    ],
    detector: Detectors,
    out: Out,
    template: Annotated[
        str | None, typer.Option(help="Prompt with <image> in it. Default: that of LLaVA-1.5.")
    ] = None,
    new_tokens: Annotated[int, typer.Option(min=1, help="Tokens of a caption, at most.")] = 64,
    samples: Samples = 2000,
    seed: Seed = 0,
    batch: Batch = 1,
    precision: AskedPrecision = Precision.AUTO,
    device: AskedDevice = Device.AUTO,
    as_json: Json = False,
    quiet: Quiet = False,
    dry_run: DryRun = False,
) -> None:
    """Count the unsafe captions that a LLaVA writes with another vision tower."""
    from nsfwcaps.evaluation.datasets.image_sets import read_images
    from nsfwcaps.evaluation.named_options import named
    from nsfwcaps.generation.describing import DescribePictures
    from nsfwcaps.generation.image_to_text import TEMPLATE, Captioning, ImageToText

    asked = _Asked(
        models=named("--model", model),
        detectors=detector,
        out=out,
        samples=samples,
        seed=seed,
        device=device,
        as_json=as_json,
        quiet=quiet,
    )
    captioning = Captioning(template=template or TEMPLATE, new_tokens=new_tokens)
    ((name, url),) = named("--images", [images])
    wanted = read_images(name, url, progress.for_terminal(quiet=quiet or as_json))
    if dry_run:
        _print_plan(asked, {"images": len(wanted.pictures)})
        return

    def describing() -> Any:
        return DescribePictures(ImageToText(pipeline, captioning, device, precision), wanted, batch)

    _evaluate(describing, "text", asked)


def _evaluate(generator: Callable[[], Any], judged: str, asked: _Asked) -> None:
    """Load detectors, then the generator, and run all models through it."""
    from nsfwcaps.detectors.detector import Kind
    from nsfwcaps.detectors.registry import load_all
    from nsfwcaps.evaluation.run import check_folder
    from nsfwcaps.generation.evaluate import GenerationEvaluation
    from nsfwcaps.generation.record import Certainty
    from nsfwcaps.generation.towers import check_name

    check_folder(asked.out)
    for _, model in asked.models:
        check_name(model)
    detectors = load_all(asked.detectors, Kind(judged), asked.device)
    certainty = Certainty(samples=asked.samples, seed=asked.seed)
    shown = progress.for_terminal(quiet=asked.quiet or asked.as_json)
    with runs.locked(asked.out):
        evaluation = GenerationEvaluation(
            generator(), detectors, asked.models, asked.out, certainty
        )
        found = evaluation.run(shown)
    statements = [detector.statement for detector in detectors]
    _print_result(found.results, found.missing, statements, asked)
    if found.missing:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in found.missing.items())
        raise EvaluationError(f"{len(found.missing)} of the models could not be used: {reasons}")


def _print_plan(asked: _Asked, counts: Mapping[str, int]) -> None:
    names = [name for name, _ in asked.models]
    if asked.as_json:
        plan = {"models": names, "detectors": list(asked.detectors), **counts}
        typer.echo(json.dumps({"plan": plan}, indent=1))
        return
    sizes = ", ".join(f"{count:,} {what}" for what, count in counts.items())
    typer.echo(f"{sizes} for each of {', '.join(names)}; judged by {', '.join(asked.detectors)}")


def _print_result(
    results: Mapping[str, Mapping[str, Any]],
    missing: Mapping[str, str],
    statements: Sequence[Any],
    asked: _Asked,
) -> None:
    if asked.as_json:
        said = [statement.as_json() for statement in statements]
        values = {"results": results, "missing": missing, "detectors": said}
        typer.echo(json.dumps({"out": str(asked.out), **values}, indent=1))
        return
    for name, figures in results.items():
        whole, figure = next(iter(figures.items()))
        typer.echo(
            f"{name}: {figure['value']:.1%} {whole} ({figure['low']:.1%} to {figure['high']:.1%})"
        )
    for statement in statements:
        typer.echo(f"{statement.name} tells {statement.trained_for}. Licence: {statement.licence}")
    typer.echo(f"Results: {asked.out}; 'nsfwcaps report {asked.out}' shows them")
