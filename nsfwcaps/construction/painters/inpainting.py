"""`diffusers-inpaint:FOLDER`: redraws part of the safe image from the unsafe caption.

The part is the lower middle of the image, where most objects are: 60 % of its width and height.
Pixels outside keep their values after scaling; along the edge, old and new are blended.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nsfwcaps import pictures
from nsfwcaps.config import digest
from nsfwcaps.construction.painters.painter import INPAINT, DrawRequest, PainterStatement, Subject
from nsfwcaps.construction.painters.sampling import PainterSampling
from nsfwcaps.enums import Device, Precision
from nsfwcaps.errors import ConfigError, ModelError
from nsfwcaps.generation.text_to_image import png
from nsfwcaps.runtime.device import resolve_precision, torch_device, torch_dtype
from nsfwcaps.runtime.loading import diffusion_pipeline, modules_sha256
from nsfwcaps.runtime.memory import memory_advice
from nsfwcaps.runtime.silence import silence

if TYPE_CHECKING:
    from PIL import Image

VERSION = 1

_LEFT, _TOP, _RIGHT, _BOTTOM = 0.2, 0.35, 0.8, 0.95
_EDGE = 0.04
"""Width of the edge, as a share of the shorter side."""
_GRID_PX = 8
_REFUSALS = {
    pictures.UNDECODABLE: "safe_image_broken",
    pictures.TOO_LARGE: "safe_image_too_large",
}


class InpaintPainter:
    """An inpainting pipeline, or a text-to-image pipeline that diffusers can use as one."""

    ending = ".png"
    needs_safe_image = True

    def __init__(
        self, folder: Path, sampling: PainterSampling, device: Device, precision: Precision
    ) -> None:
        import torch

        self._torch = torch
        self._sampling = sampling
        where = torch_device(device)
        number_format = resolve_precision(precision, where)
        self._pipe = diffusion_pipeline(str(folder), "AutoPipelineForInpainting")
        self._side_px = sampling.side_px or _own_side(self._pipe, folder)
        settings: dict[str, Any] = {
            "pipeline": type(self._pipe).__name__,
            "scheduler": type(self._pipe.scheduler).__name__,
            "pipeline_sha256": _pipeline_sha256(self._pipe),
            "steps": sampling.steps,
            "guidance_scale": sampling.guidance_scale,
            "precision": number_format.value,
            "side_px": self._side_px,
            "part": [_LEFT, _TOP, _RIGHT, _BOTTOM],
        }
        with silence():
            self._pipe.to(where, torch_dtype(number_format))
        self.statement = PainterStatement(
            name=f"{INPAINT}{folder.name}",
            how="the lower middle of the safe image redrawn with the unsafe caption as the prompt, "
            "without a safety checker",
            licence=f"that of {folder.name}; the rest of each image keeps the safe image's licence",
            settings=settings,
        )
        self.identity = digest([INPAINT, VERSION, pictures.VERSION, settings])

    def refusal(self, subject: Subject, safe_image: bytes | None) -> str | None:
        """Refuse a subject without a usable safe image to start from."""
        if safe_image is None:
            return "no_safe_image"
        image = pictures.decode(safe_image)
        return _REFUSALS[image] if isinstance(image, str) else None

    def paint(self, wanted: Sequence[DrawRequest]) -> list[bytes]:
        """Draw n images, batched by size."""
        images = [self._scaled(item) for item in wanted]
        groups: dict[tuple[int, int], list[int]] = {}
        for number, image in enumerate(images):
            groups.setdefault(image.size, []).append(number)
        made: dict[int, bytes] = {}
        for numbers in groups.values():
            batch = [(wanted[number], images[number]) for number in numbers]
            made |= zip(numbers, self._draw(batch), strict=True)
        return [made[number] for number in range(len(wanted))]

    def _draw(self, batch: Sequence[tuple[DrawRequest, Image.Image]]) -> list[bytes]:
        width, height = batch[0][1].size
        hard, soft = masks(width, height)
        with memory_advice("--image-batch"), silence():  # diffusers logs overlong prompts
            drawn = self._pipe(
                prompt=[item.subject.caption for item, _ in batch],
                image=[image for _, image in batch],
                mask_image=[hard] * len(batch),
                generator=[self._torch.Generator("cpu").manual_seed(i.seed) for i, _ in batch],
                num_inference_steps=self._sampling.steps,
                guidance_scale=self._sampling.guidance_scale,
                strength=1.0,
                width=width,
                height=height,
            ).images
        return [
            png(_composite(image, picture, soft))
            for (_, image), picture in zip(batch, drawn, strict=True)
        ]

    def _scaled(self, wanted: DrawRequest) -> Image.Image:
        """Scale the safe image: longer side as the pipeline draws it, both sides on the grid."""
        image = pictures.decoded(wanted.safe_image or b"", "a safe image")
        scale = self._side_px / max(image.size)
        sides = [max(1, round(side * scale / _GRID_PX)) * _GRID_PX for side in image.size]
        return image.resize((sides[0], sides[1]))


def masks(width: int, height: int) -> tuple[Image.Image, Image.Image]:
    """Return white masks of the redrawn part: with a hard edge, and with a soft edge inside it."""
    from PIL import Image, ImageChops, ImageDraw, ImageFilter

    hard = Image.new("L", (width, height), 0)
    box = [_LEFT * width, _TOP * height, _RIGHT * width - 1, _BOTTOM * height - 1]
    ImageDraw.Draw(hard).rectangle([round(side) for side in box], fill=255)
    blurred = hard.filter(ImageFilter.GaussianBlur(_EDGE * min(width, height)))
    return hard, ImageChops.darker(hard, blurred)


def _composite(image: Image.Image, picture: Image.Image, soft: Image.Image) -> Image.Image:
    from PIL import Image

    return Image.composite(picture.convert("RGB").resize(image.size), image, soft)


def _own_side(pipe: Any, folder: Path) -> int:
    """Return the default side length of the pipeline in pixels."""
    unet = getattr(pipe, "unet", None)
    cells = getattr(pipe, "default_sample_size", None) or getattr(
        getattr(unet, "config", None), "sample_size", None
    )
    scale = getattr(pipe, "vae_scale_factor", None)
    if not isinstance(cells, int) or not isinstance(scale, int):
        raise ConfigError(f"{INPAINT}{folder.name} has no default image size; set --image-size")
    return cells * scale


def _pipeline_sha256(pipe: Any) -> str:
    """Digest of all weights of a pipeline and of its scheduler."""
    import torch

    modules = [
        (name, part)
        for name, part in sorted(pipe.components.items())
        if isinstance(part, torch.nn.Module)
    ]
    if not modules:
        raise ModelError("the pipeline has no weights")
    scheduler = {k: str(v) for k, v in pipe.scheduler.config.items() if not k.startswith("_")}
    return digest([modules_sha256(modules), scheduler])
