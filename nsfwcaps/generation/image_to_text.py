"""Image captioning by LLaVA (transformers) with another model's image tower."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from nsfwcaps import pictures as files
from nsfwcaps.enums import Device, Precision
from nsfwcaps.errors import ConfigError, ModelError
from nsfwcaps.generation.swap import put_image_tower, tower_sha256
from nsfwcaps.generation.text_state import TextState
from nsfwcaps.generation.towers import VISION, Clip
from nsfwcaps.runtime.device import resolve_precision, torch_device, torch_dtype
from nsfwcaps.runtime.loading import loaded, modules_sha256
from nsfwcaps.runtime.memory import memory_advice
from nsfwcaps.runtime.silence import silence
from nsfwcaps.runtime.weights import load_complete

IMAGE_TOKEN = "<image>"
TEMPLATE = f"USER: {IMAGE_TOKEN}\nDescribe this image.\nASSISTANT:"
"""The prompt format of LLaVA-1.5."""


@dataclass(frozen=True, kw_only=True)
class Captioning:
    """Captioning settings; decoding is greedy."""

    template: str = TEMPLATE
    new_tokens: int = 64
    """Maximum number of tokens to generate."""

    def __post_init__(self) -> None:
        if self.template.count(IMAGE_TOKEN) != 1:
            raise ConfigError(f"--template must contain {IMAGE_TOKEN} exactly once")
        if self.new_tokens < 1:
            raise ConfigError(f"--new-tokens must be at least 1, got {self.new_tokens}")


class ImageToText:
    """A `LlavaForConditionalGeneration` whose `CLIPVisionModel` can be replaced."""

    def __init__(
        self, model: str, captioning: Captioning, device: Device, precision: Precision
    ) -> None:
        import torch
        from transformers import AutoProcessor, LlavaForConditionalGeneration

        self._torch = torch
        self._captioning = captioning
        self._device = torch_device(device)
        self._precision = resolve_precision(precision, self._device)
        self._dtype = torch_dtype(self._precision)
        self._processor = loaded(
            "a processor of transformers", model, lambda: AutoProcessor.from_pretrained(model)
        )
        self._model = loaded(
            "a LlavaForConditionalGeneration of transformers",
            model,
            lambda: load_complete(LlavaForConditionalGeneration, model),
        ).eval()
        self._own = {name: item.clone() for name, item in self._tower.state_dict().items()}
        self._rest = modules_sha256(
            (name, part) for name, part in _modules(self._model) if part is not self._tower
        )
        self._model.to(self._device, self._dtype)

    @property
    def _tower(self) -> Any:
        return _inner(self._model).vision_tower

    def put(self, clip: Clip | TextState | None) -> None:
        """Swap in a model's image tower; None restores the original.

        Raises:
            ModelError: the towers differ in architecture.
        """
        if clip is None:
            self._tower.load_state_dict(self._own)
        else:
            put_image_tower(clip, self._tower, self._processor.image_processor)

    @property
    def identity(self) -> dict[str, Any]:
        """Everything but the image that determines a caption, including the current tower."""
        return {
            **self.settings,
            "vision_tower": tower_sha256(self._tower, VISION),
            "decoder": files.VERSION,
        }

    @property
    def settings(self) -> dict[str, Any]:
        """Settings shared by all compared models."""
        return {
            "model": type(self._model).__name__,
            "model_sha256": self._rest,
            "template": self._captioning.template,
            "new_tokens": self._captioning.new_tokens,
            "precision": self._precision.value,
        }

    def caption(self, pictures: Sequence[bytes]) -> list[str]:
        """Caption n decodable images."""
        images = [files.decoded(data, "an image to describe") for data in pictures]
        with memory_advice("--batch"), silence(), self._torch.inference_mode():
            inputs = self._processor(
                images=images, text=[self._captioning.template] * len(images), return_tensors="pt"
            ).to(self._device, self._dtype)
            rows = self._model.generate(
                **inputs, do_sample=False, max_new_tokens=self._captioning.new_tokens
            )
        new = rows[:, inputs["input_ids"].shape[1] :]
        return [
            text.strip() for text in self._processor.batch_decode(new, skip_special_tokens=True)
        ]


def _inner(model: Any) -> Any:
    """Return the module with tower and language model; newer transformers nest it deeper."""
    inner = getattr(model, "model", model)
    if not hasattr(inner, "vision_tower"):
        raise ModelError(f"a {type(model).__name__} has no vision tower to replace")
    return inner


def _modules(model: Any) -> list[tuple[str, Any]]:
    """List the model's submodules at the level of the vision tower."""
    inner = _inner(model)
    outer = (
        [] if inner is model else [item for item in model.named_children() if item[1] is not inner]
    )
    return [*inner.named_children(), *outer]
