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
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from nsfwcaps import pictures
from nsfwcaps.encoders.picture_jpeg import plain_jpeg
from nsfwcaps.encoders.picture_parts import first_resize, parts_of
from nsfwcaps.encoders.picture_resize import FastResize, memory
from nsfwcaps.encoders.picture_size import unusable_size
from nsfwcaps.errors import ModelError, first_line

if TYPE_CHECKING:
    import torch
    from PIL import Image

Slot = npt.NDArray[np.uint8]

_LEVELS = 255.0
_PLAIN = (1024, 1024)
"""Width and height of a picture that every preprocessing can deal with."""


class PictureInput:
    """Both halves of a model's image preprocessing."""

    def __init__(self, preprocess: Callable[[Image.Image], Any], *, exact: bool) -> None:
        """Split the preprocessing of a model; `exact` keeps Pillow's resizing."""
        self._whole = preprocess
        self._parts = parts_of(preprocess)
        self._resize = first_resize(preprocess)
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
            if pixels is not None:
                height, width = pixels.shape[1:]
                if reason := unusable_size(self._resize, height, width):
                    return reason
                found = self._fast(pixels)
                if found is not None:
                    np.copyto(slot, found)
                    return None
        picture = pictures.decode(data)
        return picture if isinstance(picture, str) else self.write(picture, slot)

    def write(self, picture: Image.Image, slot: Slot) -> str | None:
        """Resize and crop a decoded picture into a slot `[3, h, w]`, or return why not."""
        if reason := unusable_size(self._resize, picture.height, picture.width):
            return reason
        found = None if self._fast is None else self._fast(memory(picture))
        if found is not None:
            np.copyto(slot, found)
            return None
        assert self._parts is not None, "the preprocessing is split"
        for step in self._parts.steps:
            picture = step(picture)
        np.copyto(slot.transpose(1, 2, 0), np.asarray(picture))
        return None

    def whole(self, data: bytes) -> torch.Tensor | str:
        """Return the tower's input `[3, h, w]` by the model's own preprocessing, or why not.

        Raises:
            ModelError: the preprocessing fails on a plain picture too.
        """
        picture = pictures.decode(data)
        if isinstance(picture, str):
            return picture
        if reason := unusable_size(self._resize, picture.height, picture.width):
            return reason
        try:
            made: torch.Tensor = self._whole(picture)
        except MemoryError:
            raise
        except Exception as error:  # code of the model, which may raise anything
            self._check_preprocessing(error)
            return pictures.UNDECODABLE
        return made

    def _check_preprocessing(self, error: Exception) -> None:
        """Raise ModelError if not the picture is at fault, but the preprocessing."""
        from PIL import Image

        try:
            self._whole(Image.new("RGB", _PLAIN, "grey"))
        except Exception:
            raise ModelError(
                f"the model's own image preprocessing fails on a plain picture too "
                f"({type(error).__name__}: {first_line(error)}); choose another model"
            ) from error

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
            InputError: a file cannot be decoded or resized; the message says of `what`.
            ModelError: the model's own preprocessing fails on a plain picture too.
        """
        import torch

        if self._parts is None:
            made = list(each(lambda file: self.whole(file()), files))
            for found in made:
                if isinstance(found, str):
                    raise pictures.unusable(found, what)
            return torch.stack(made)
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
