"""Image preprocessing in two halves: 8-bit pixels on the CPU, numbers on the device.

open_clip resizes and crops a picture, and then makes floats of it and normalises them. The first
half runs here per picture, on threads, and the second per batch, on the device: a quarter of the
bytes travel there.

Resizing is Pillow's wherever the encoder computes in single precision: the two halves equal the
model's own preprocessing in every bit. In half precision it is torch's, five times as fast, and
torchvision decodes plain JPEG files to the pixels that Pillow finds. Both resize in whole numbers
and round to 8 bits after each axis, but Pillow's weights have 22 bits and torch's 15. One axis
differs by one level of 255 at most, and two axes by two. In photographs made smaller, 0.1 to 0.4 %
of the values differ, by one level.

A preprocessing with other parts than open_clip's runs whole on the CPU.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nsfwcaps import pictures
from nsfwcaps.encoders.picture_jpeg import plain_jpeg
from nsfwcaps.encoders.picture_resize import FastResize, memory

if TYPE_CHECKING:
    import torch
    from PIL import Image

Slot = npt.NDArray[np.uint8]

_LEVELS = 255.0


class PictureInput:
    """Both halves of a model's image preprocessing."""

    def __init__(self, preprocess: Callable[[Image.Image], Any], *, exact: bool) -> None:
        """Split the preprocessing of a model; `exact` keeps Pillow's resizing."""
        self._whole = preprocess
        self._parts = _parts(preprocess)
        self._fast = None
        if self._parts is not None and not exact:
            self._fast = FastResize.of(self._parts.resize, self._parts.crop)
        self._constants: dict[Any, tuple[torch.Tensor, ...]] = {}

    @property
    def resize(self) -> str:
        """What resizes: `pillow`, as in the model's own preprocessing, or `torch`."""
        return "pillow" if self._fast is None else "torch"

    @property
    def bytes_each(self) -> int | None:
        """Bytes of the pixels of a picture; None if the preprocessing is not split."""
        if self._parts is None:
            return None
        height, width = self._parts.size
        return 3 * height * width

    def buffer(self, count: int, *, pinned: bool = False) -> torch.Tensor:
        """Return uninitialised pixels `[count, 3, h, w]` to fill with `read`; 8 bits each.

        Pinned memory is copied to a GPU while other work goes on. Only for a split preprocessing.
        """
        import torch

        assert self._parts is not None, "the preprocessing is split"
        height, width = self._parts.size
        if self._fast is not None:
            return torch.empty((count, 3, height, width), dtype=torch.uint8, pin_memory=pinned)
        rows = torch.empty((count, height, width, 3), dtype=torch.uint8, pin_memory=pinned)
        return rows.permute(0, 3, 1, 2)  # as in Pillow's memory: nothing to transpose on the CPU

    def read(self, data: bytes, slot: Slot) -> str | None:
        """Decode, resize and crop a file into a slot `[3, h, w]`, or return why it is unusable."""
        if self._fast is not None:
            pixels = plain_jpeg(data)
            found = None if pixels is None else self._fast(pixels)
            if found is not None:
                np.copyto(slot, found)
                return None
        picture = pictures.decode(data)
        if isinstance(picture, str):
            return picture
        self.write(picture, slot)
        return None

    def write(self, picture: Image.Image, slot: Slot) -> None:
        """Resize and crop a decoded picture into a slot `[3, h, w]`."""
        found = None if self._fast is None else self._fast(memory(picture))
        if found is not None:
            np.copyto(slot, found)
            return
        assert self._parts is not None, "the preprocessing is split"
        for step in self._parts.steps:
            picture = step(picture)
        np.copyto(slot.transpose(1, 2, 0), np.asarray(picture))

    def whole(self, data: bytes) -> torch.Tensor | str:
        """Return the tower's input `[3, h, w]` by the model's own preprocessing, or why not."""
        picture = pictures.decode(data)
        return picture if isinstance(picture, str) else self._whole(picture)

    def batch(
        self,
        files: Sequence[Callable[[], bytes]],
        what: str,
        *,
        pinned: bool = False,
        each: Callable[..., Iterable[Any]] = map,
    ) -> torch.Tensor:
        """Return the pixels `[b, 3, h, w]` of files: 8 bits, or floats if not split.

        `each` reads and prepares the files as `map` does; perhaps on several threads.

        Raises:
            InputError: a file cannot be decoded; the message says of `what`.
        """
        import torch

        if self._parts is None:
            made = each(lambda file: self._whole(pictures.decoded(file(), what)), files)
            return torch.stack(list(made))
        buffer = self.buffer(len(files), pinned=pinned)
        for reason in each(lambda file, slot: self.read(file(), slot), files, buffer.numpy()):
            if reason:
                raise pictures.unusable(reason, what)
        return buffer

    def normalise(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return the tower's input `[b, 3, h, w]` in single precision, on the device of the pixels.

        Floats come from a preprocessing that is not split, and are returned as they are.
        """
        import torch

        if self._parts is None or pixels.dtype != torch.uint8:
            return pixels
        levels, mean, std = self._on(pixels.device)
        numbers = pixels.to(torch.float32, memory_format=torch.contiguous_format)
        return numbers.div_(levels).sub_(mean).div_(std)

    def _on(self, device: torch.device) -> tuple[torch.Tensor, ...]:
        """Return the constants on a device.

        The divisor is a tensor: a GPU multiplies by the rounded inverse of a plain number.
        """
        import torch

        if device not in self._constants:
            assert self._parts is not None, "the preprocessing is split"
            with torch.inference_mode(False):
                self._constants[device] = (
                    torch.tensor(_LEVELS, device=device),
                    *(
                        torch.tensor(values, dtype=torch.float32, device=device)[:, None, None]
                        for values in (self._parts.mean, self._parts.std)
                    ),
                )
        return self._constants[device]


@dataclass(frozen=True, kw_only=True)
class _Parts:
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


def _parts(preprocess: Any) -> _Parts | None:
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
    return _Parts(resize=resize, crop=crop, convert=convert, mean=mean, std=std, size=size)


def _final_size(resize: Any, crop: Any) -> tuple[int, int] | None:
    """Return the size [h, w] that every picture has after these steps; None if unknown."""
    if _kind(resize) == "open_clip ResizeKeepRatio":
        if resize.random_scale_prob or resize.random_aspect_prob:
            return None
    elif _kind(resize) != "torchvision Resize":
        return None
    if crop is not None:
        known = _kind(crop) in ("torchvision CenterCrop", "open_clip CenterCropOrPad")
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
