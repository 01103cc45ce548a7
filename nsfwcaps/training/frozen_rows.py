"""The frozen model's rows of captions and images, on the device where they fit."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from nsfwcaps.runtime.batch_size import CudaMemory, Memory

Tensor = torch.Tensor
Rows = npt.NDArray[np.int64]

_SHARE = 0.1
"""Most of the device's free memory that the rows may take."""


class FrozenRows:
    """Unit rows of captions `[n, d]` and images `[m, d]`; a batch is two lookups and a copy."""

    def __init__(
        self, text: Tensor, image: Tensor, device: str, memory: Memory | None = None
    ) -> None:
        """Copy the rows to the device, unless they take too much of its free memory."""
        if device.startswith("cuda"):
            memory = memory or CudaMemory()
        size = text.nbytes + image.nbytes
        fits = memory is None or size <= _SHARE * memory.free()
        self._device = device
        self.text, self.image = (rows.to(device if fits else "cpu") for rows in (text, image))

    def of(self, text: Rows, image: Rows) -> tuple[Tensor, Tensor]:
        """Rows `[..., d]` of captions and images on the device, by their numbers `[...]`."""
        where = torch.from_numpy(np.stack([text, image]))
        captions, pictures = where.to(self.text.device, non_blocking=True)
        found = self.text[captions], self.image[pictures]
        of_text, of_image = (rows.to(self._device, non_blocking=True) for rows in found)
        return of_text, of_image
