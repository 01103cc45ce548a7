"""Parts of a model's image preprocessing, recognised by their classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_CROPS = ("torchvision CenterCrop", "open_clip CenterCropOrPad", "nsfwcaps MiddleCrop")


@dataclass(frozen=True, kw_only=True)
class PreprocessingParts:
    """Parts of a preprocessing by open_clip's `image_transform`."""

    resize: Any
    crop: Any
    convert: Any
    mean: list[float]
    std: list[float]
    size: tuple[int, int]  # [h, w]

    @property
    def steps(self) -> list[Callable[[Any], Any]]:
        """Steps from a picture to an RGB picture of the tower's size."""
        return [step for step in (self.resize, self.crop, self.convert) if step is not None]


def parts_of(preprocess: Any) -> PreprocessingParts | None:
    """Recognise the parts of a preprocessing; None if one of them is unknown."""
    if _kind(preprocess) != "torchvision Compose":
        return None
    steps = list(preprocess.transforms)
    if len(steps) < 4:
        return None
    *geometry, convert, floats, normalise = steps
    if not _converts(convert) or _kind(normalise) != "torchvision Normalize":
        return None
    if _kind(floats) not in ("open_clip MaybeToTensor", "torchvision ToTensor"):
        return None
    resize, crop = (*geometry, None)[:2]
    size = _final_size(resize, crop)
    mean, std = list(normalise.mean), list(normalise.std)
    if len(geometry) > 2 or size is None or not len(mean) == len(std) == 3 or 0 in std:
        return None
    return PreprocessingParts(
        resize=resize, crop=crop, convert=convert, mean=mean, std=std, size=size
    )


def first_resize(preprocess: Any) -> Any:
    """Return the step that resizes every picture as it was decoded; None if it is unknown."""
    if _kind(preprocess) != "torchvision Compose":
        return None
    for step in preprocess.transforms:
        if _kind(step) in ("torchvision Resize", "open_clip ResizeKeepRatio"):
            return None if step.size is None else step
        if not _converts(step):
            break
    return None


def _final_size(resize: Any, crop: Any) -> tuple[int, int] | None:
    """Return the size [h, w] that every picture has after these steps; None if unknown."""
    if _kind(resize) == "open_clip ResizeKeepRatio":
        if resize.random_scale_prob or resize.random_aspect_prob:
            return None
    elif _kind(resize) != "torchvision Resize":
        return None
    if crop is not None:
        known = _kind(crop) in _CROPS
        size = crop.size if known else None
    else:
        size = resize.size if _kind(resize) == "torchvision Resize" else None
    if not isinstance(size, list | tuple) or len(size) != 2:
        return None
    return int(size[0]), int(size[1])


def _converts(step: Any) -> bool:
    """Whether the step converts to RGB and does nothing else."""
    if _kind(step) == "open_clip MaybeConvertMode":
        return bool(step.mode == "RGB")
    return getattr(step, "__module__", "") == "open_clip.transform" and (
        getattr(step, "__name__", "") == "_convert_to_rgb"
    )


def _kind(step: Any) -> str:
    """Return a step's package and class; subclasses may do other things."""
    return f"{type(step).__module__.partition('.')[0]} {type(step).__name__}"
