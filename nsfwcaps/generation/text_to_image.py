"""Pictures of prompts by a diffusers pipeline, with another model's text tower in it."""

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
from nsfwcaps.generation.towers import TEXT, Clip
from nsfwcaps.runtime.device import resolve_precision, torch_device, torch_dtype
from nsfwcaps.runtime.loading import diffusion_pipeline, modules_sha256
from nsfwcaps.runtime.memory import memory_advice
from nsfwcaps.runtime.silence import silence


@dataclass(frozen=True, kw_only=True)
class TextToImageSampling:
    """How pictures are drawn."""

    steps: int = 50
    guidance_scale: float = 7.5
    """Of prompts that name none."""

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ConfigError(f"--steps must be at least 1, got {self.steps}")


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """One picture to draw."""

    prompt: Prompt
    seed: int

    @property
    def item(self) -> str:
        """Name of its file, without the ending."""
        return f"{self.prompt.id}-{self.seed}"


def drawings(prompts: Sequence[Prompt], seeds: int) -> list[list[Drawing]]:
    """Pictures of each prompt: with its own seed, and with those that follow it."""
    return [
        [Drawing(prompt=prompt, seed=prompt.seed + offset) for offset in range(seeds)]
        for prompt in prompts
    ]


class TextToImage:
    """A pipeline with a `CLIPTextModel` as `text_encoder`, in which that can be replaced.

    Its safety checker is left out: it would blacken just the pictures that are to be counted.
    Other text encoders of the pipeline stay.
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

    def put(self, clip: Clip | None) -> None:
        """Put a model's text tower in; None puts the pipeline's own back.

        Raises:
            ModelError: the two are not built alike.
        """
        encoder = self._pipe.text_encoder
        if clip is None:
            encoder.load_state_dict(self._own)
        else:
            put_text_tower(clip, encoder, self._pipe.tokenizer)

    @property
    def identity(self) -> dict[str, Any]:
        """What decides a picture beside prompt and seed, the tower in place among it."""
        return {**self.settings, "text_encoder": tower_sha256(self._pipe.text_encoder, TEXT)}

    @property
    def settings(self) -> dict[str, Any]:
        """The same of all models that are compared."""
        return {
            "pipeline": type(self._pipe).__name__,
            "scheduler": type(self._pipe.scheduler).__name__,
            "pipeline_sha256": self._rest,
            "steps": self._sampling.steps,
            "guidance_scale": self._sampling.guidance_scale,
            "precision": self._precision.value,
        }

    def draw(self, batch: Sequence[Drawing]) -> list[bytes]:
        """PNG files of pictures of one size and guidance; each has a generator of its own."""
        like = batch[0].prompt
        generators = [self._torch.Generator("cpu").manual_seed(item.seed) for item in batch]
        guidance = like.guidance_scale
        with memory_advice("--batch"), silence():  # it would log prompts that are too long
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
    """Cut into batches of one size and guidance; the longest rows of equal ones come together."""
    groups: dict[Any, list[Drawing]] = {}
    for item in wanted:
        prompt = item.prompt
        key = (prompt.width, prompt.height, prompt.guidance_scale)
        groups.setdefault(key, []).append(item)
    for group in groups.values():
        for start in range(0, len(group), size):
            yield group[start : start + size]


def _rest_sha256(pipe: Any) -> str:
    """Digest of a pipeline's weights, those of the text encoder aside, and of its scheduler."""
    import torch

    weights = modules_sha256(
        (name, part)
        for name, part in sorted(pipe.components.items())
        if isinstance(part, torch.nn.Module) and name != "text_encoder"
    )
    scheduler = {k: str(v) for k, v in pipe.scheduler.config.items() if not k.startswith("_")}
    return digest([weights, scheduler])


def png(picture: Any) -> bytes:
    """The picture's file."""
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()
