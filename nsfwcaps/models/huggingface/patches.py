"""Pictures as patches, for SigLIP2 models that keep a picture's shape (NaFlex)."""

from __future__ import annotations

from typing import Any

from nsfwcaps.errors import ModelError
from nsfwcaps.models.huggingface.pictures import Preprocessing, interpolation_of, statistics


class PatchedPicture:
    """Resizes a picture to at most n patches, and packs them into `[3, n + 1, p * p]`.

    The last row holds the numbers of rows and columns; patches behind them are zero.
    """

    def __init__(self, *, patch: int, most: int, interpolation: Any, normalise: Any) -> None:
        self._patch, self._most = patch, most
        self._interpolation, self._normalise = interpolation, normalise

    def __call__(self, picture: Any) -> Any:
        """Patches of an RGB picture."""
        import torch
        from torchvision.transforms import functional
        from transformers.models.siglip2.image_processing_siglip2 import (
            get_image_size_for_max_num_patches,
        )

        side = self._patch
        height, width = get_image_size_for_max_num_patches(
            picture.height, picture.width, side, self._most
        )
        resized = functional.resize(picture, [height, width], self._interpolation)
        pixels = self._normalise(functional.to_tensor(resized))
        rows, columns = height // side, width // side
        patches = pixels.view(3, rows, side, columns, side).transpose(2, 3)
        out = torch.zeros(3, self._most + 1, side * side)
        out[:, : rows * columns] = patches.reshape(3, rows * columns, side * side)
        out[:, -1, 0], out[:, -1, 1] = rows, columns
        return out


def patches_of(processor: Any, patch: int, what: str) -> Preprocessing:
    """Return the preprocessing of a `Siglip2ImageProcessor` for patches `[p, p]`.

    Raises:
        ModelError: it is another processor, cuts other patches than the tower reads, or does not
            resize; the message begins with `what`.
    """
    from torchvision.transforms import Normalize

    kind = type(processor).__name__
    if not kind.startswith("Siglip2ImageProcessor"):
        raise ModelError(f"{what}: its image processor is a {kind}; expected Siglip2ImageProcessor")
    if int(processor.patch_size) != patch or not processor.do_resize:
        raise ModelError(
            f"{what}: its image processor cuts patches of {processor.patch_size} pixels"
            f"{'' if processor.do_resize else ' without resizing'}, but its image tower reads "
            f"resized ones of {patch}; correct preprocessor_config.json"
        )
    mean, std = statistics(processor, what)
    interpolation, most = interpolation_of(processor), int(processor.max_num_patches)
    return Preprocessing(
        apply=PatchedPicture(
            patch=patch, most=most, interpolation=interpolation, normalise=Normalize(mean, std)
        ),
        facts={
            "resize_mode": "patches",
            "patch": patch,
            "patches": most,
            "interpolation": interpolation.value,
            "mean": mean,
            "std": std,
        },
    )
