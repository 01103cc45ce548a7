"""Image generation by a diffusers pipeline with another model's text tower."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from nsfwcaps.config import digest
from nsfwcaps.enums import Device, Precision
from nsfwcaps.errors import ConfigError, ModelError
from nsfwcaps.generation.prompts import Prompt
from nsfwcaps.generation.swap import put_text_tower, tower_sha256
from nsfwcaps.generation.text_state import TextState
from nsfwcaps.generation.towers import TEXT, Clip
from nsfwcaps.runtime.device import resolve_precision, torch_device, torch_dtype
from nsfwcaps.runtime.loading import diffusion_pipeline, modules_sha256
from nsfwcaps.runtime.memory import memory_advice
from nsfwcaps.runtime.silence import silence


@dataclass(frozen=True, kw_only=True)
class TextToImageSampling:
    """Sampling settings."""

    steps: int = 50
    guidance_scale: float = 7.5
    """Default for prompts that set none."""

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ConfigError(f"--steps must be at least 1, got {self.steps}")


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """One image to draw."""

    prompt: Prompt
    seed: int

    @property
    def item(self) -> str:
        """File name without the suffix."""
        return f"{self.prompt.id}-{self.seed}"


def drawings(prompts: Sequence[Prompt], seeds: int) -> list[list[Drawing]]:
    """List the images of each prompt: with its own seed and the seeds that follow."""
    return [
        [Drawing(prompt=prompt, seed=prompt.seed + offset) for offset in range(seeds)]
        for prompt in prompts
    ]


class TextToImage:
    """A pipeline whose `text_encoder`, a `CLIPTextModel`, can be replaced.

    Its safety checker is disabled, as it would blacken the very images to be counted. Other text
    encoders of the pipeline are kept.
    """

    def __init__(
        self, pipeline: str, sampling: TextToImageSampling, device: Device, precision: Precision
    ) -> None:
        import torch

        self._torch = torch
        self._sampling = sampling
        self._device = torch_device(device)
        self._precision = resolve_precision(precision, self._device)
        self._pipe = diffusion_pipeline(pipeline)
        encoder = getattr(self._pipe, "text_encoder", None)
        if encoder is None:
            raise ModelError(f"'{pipeline}': the pipeline has no text encoder to replace")
        self._own = {name: tensor.clone() for name, tensor in encoder.state_dict().items()}
        self._rest = _rest_sha256(self._pipe)
        with silence():
            self._pipe.to(self._device, torch_dtype(self._precision))

    def put(self, clip: Clip | TextState | None) -> None:
        """Swap in a model's text tower; None restores the original.

        Raises:
            ModelError: the towers differ in architecture.
        """
        encoder = self._pipe.text_encoder
        if clip is None:
            encoder.load_state_dict(self._own)
        else:
            put_text_tower(clip, encoder, self._pipe.tokenizer)

    @property
    def identity(self) -> dict[str, Any]:
        """Everything but prompt and seed that determines an image, including the current tower."""
        return {**self.settings, "text_encoder": tower_sha256(self._pipe.text_encoder, TEXT)}

    @property
    def settings(self) -> dict[str, Any]:
        """Settings shared by all compared models."""
        return {
            "pipeline": type(self._pipe).__name__,
            "scheduler": type(self._pipe.scheduler).__name__,
            "pipeline_sha256": self._rest,
            "steps": self._sampling.steps,
            "guidance_scale": self._sampling.guidance_scale,
            "precision": self._precision.value,
        }

    def draw(self, batch: Sequence[Drawing]) -> list[bytes]:
        """Draw images of equal size and guidance as PNG files, each with its own generator."""
        like = batch[0].prompt
        generators = [self._torch.Generator("cpu").manual_seed(item.seed) for item in batch]
        guidance = like.guidance_scale
        with memory_advice("--batch"), silence():  # diffusers logs overlong prompts
            pictures = self._pipe(
                prompt=[item.prompt.text for item in batch],
                generator=generators,
                num_inference_steps=self._sampling.steps,
                guidance_scale=self._sampling.guidance_scale if guidance is None else guidance,
                width=like.width,
                height=like.height,
            ).images
        return [png(picture) for picture in pictures]


def batches(wanted: Sequence[Drawing], size: int) -> Iterator[list[Drawing]]:
    """Cut into batches of equal size and guidance, keeping the order within each group."""
    groups: dict[Any, list[Drawing]] = {}
    for item in wanted:
        prompt = item.prompt
        key = (prompt.width, prompt.height, prompt.guidance_scale)
        groups.setdefault(key, []).append(item)
    for group in groups.values():
        for start in range(0, len(group), size):
            yield group[start : start + size]


def _rest_sha256(pipe: Any) -> str:
    """Digest of a pipeline's weights except the text encoder's, and of its scheduler."""
    import torch

    weights = modules_sha256(
        (name, part)
        for name, part in sorted(pipe.components.items())
        if isinstance(part, torch.nn.Module) and name != "text_encoder"
    )
    scheduler = {k: str(v) for k, v in pipe.scheduler.config.items() if not k.startswith("_")}
    return digest([weights, scheduler])


def png(picture: Any) -> bytes:
    """Encode an image as PNG."""
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()
