"""Image preprocessing from the configuration of a transformers image processor.

Pictures are resized by Pillow, as transformers' Pillow backend does and as the models of this field
were trained and published; its torchvision backend differs by a level or two of 255.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nsfwcaps.encoders.picture_crop import MiddleCrop
from nsfwcaps.errors import ModelError

_LEVELS = 255.0
_KINDS = ("CLIPImageProcessor", "SiglipImageProcessor", "ViTImageProcessor", "BitImageProcessor")
"""Processors that do no more than their settings say."""


@dataclass(frozen=True, kw_only=True)
class Preprocessing:
    """A preprocessing and what it does."""

    apply: Callable[[Any], Any]
    """Maps an RGB picture to the image tower's input."""
    facts: Mapping[str, Any]


def preprocessing_of(processor: Any, size: tuple[int, int], what: str) -> Preprocessing:
    """Return the preprocessing of a processor for a tower that reads pixels `[h, w]`.

    Raises:
        ModelError: the processor does more than resizing, cropping and normalising, or makes
            another size than the tower reads; the message begins with `what`.
    """
    from open_clip.transform import _convert_to_rgb
    from torchvision.transforms import Compose, Normalize, ToTensor

    _check_kind(processor, what)
    steps, facts = _geometry(processor, what)
    if (made := facts["size"]) != list(size):
        raise ModelError(
            f"{what}: its image processor makes {_pixels(made)}, but its image tower reads "
            f"{_pixels(size)}; correct preprocessor_config.json"
        )
    mean, std = statistics(processor, what)
    facts |= {"mean": mean, "std": std}
    return Preprocessing(
        apply=Compose([*steps, _convert_to_rgb, ToTensor(), Normalize(mean, std)]), facts=facts
    )


def statistics(processor: Any, what: str) -> tuple[list[float], list[float]]:
    """Mean and deviation of values from 0 to 1 that do what the processor does.

    Raises:
        ModelError: a factor or a deviation is zero.
    """
    factor = float(processor.rescale_factor) if processor.do_rescale else 1.0
    mean = _channels(processor.image_mean) if processor.do_normalize else [0.0] * 3
    std = _channels(processor.image_std) if processor.do_normalize else [1.0] * 3
    if factor == 0 or 0 in std or not len(mean) == len(std) == 3:
        raise _refused(what, "it does not normalise three channels")
    scale = factor * _LEVELS
    if abs(scale - 1) < 1e-6:
        return mean, std
    return [value / scale for value in mean], [value / scale for value in std]


def interpolation_of(processor: Any) -> Any:
    """The interpolation of a processor, as torchvision names it."""
    from PIL.Image import Resampling
    from torchvision.transforms import InterpolationMode

    found = processor.resample
    name = found.value if isinstance(found, InterpolationMode) else Resampling(found).name
    return InterpolationMode(str(name).lower())


def _check_kind(processor: Any, what: str) -> None:
    kind = type(processor).__name__
    if kind.removesuffix("Fast").removesuffix("Pil") not in _KINDS:
        raise _refused(what, f"it is a {kind}")
    if getattr(processor, "do_pad", None):
        raise _refused(what, "it pads pictures (do_pad)")


def _geometry(processor: Any, what: str) -> tuple[list[Any], dict[str, Any]]:
    """Steps to the final size, and the facts of them."""
    from torchvision.transforms import Resize

    steps: list[Any] = []
    facts: dict[str, Any] = {}
    made: list[int] | None = None
    if processor.do_resize:
        size = _sides(processor.size)
        if size.keys() == {"shortest_edge"}:
            wanted: Any = size["shortest_edge"]
            facts["resize_mode"], facts["resized"] = "shortest", wanted
        elif size.keys() == {"height", "width"}:
            wanted = made = [size["height"], size["width"]]
            facts["resize_mode"], facts["resized"] = "squash", wanted
        else:
            raise _refused(what, f"it resizes by {' and '.join(size) or 'nothing'}")
        interpolation = interpolation_of(processor)
        facts["interpolation"] = interpolation.value
        steps.append(Resize(wanted, interpolation=interpolation))
    if getattr(processor, "do_center_crop", None):
        crop = _sides(processor.crop_size)
        if crop.keys() == {"shortest_edge"}:
            crop = dict.fromkeys(("height", "width"), crop["shortest_edge"])
        if crop.keys() != {"height", "width"}:
            raise _refused(what, f"it crops by {' and '.join(crop) or 'nothing'}")
        made = [crop["height"], crop["width"]]
        facts["cropped"] = "middle"
        steps.append(MiddleCrop(*made))
    if made is None:
        raise _refused(what, "it makes pictures of many sizes (no center crop)")
    return steps, {**facts, "size": made}


def _sides(size: Any) -> dict[str, int]:
    """Sides of a size that are given, by name."""
    if isinstance(size, int):
        return {"shortest_edge": size}
    items = dict(size).items() if size else ()
    return {str(name): int(value) for name, value in items if value is not None}


def _channels(values: Any) -> list[float]:
    return [float(values)] * 3 if isinstance(values, int | float) else [float(v) for v in values]


def _pixels(size: Any) -> str:
    return f"{size[1]} x {size[0]} pixels"


def _refused(what: str, why: str) -> ModelError:
    return ModelError(
        f"{what}: its image processor cannot be reproduced exactly: {why}; expected resizing, "
        "cropping and normalising to one size"
    )
