"""train, its batches: pictures reach the towers upright."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from support.odd_pictures import claiming, file_of, scene, turned

from nsfwcaps.encoders.clip import ClipEncoder
from nsfwcaps.errors import InputError
from nsfwcaps.training.inputs import preparation


def test_a_turned_picture_is_trained_on_upright(
    tiny_model: Callable[..., tuple[str, str]], clip_encoder: Callable[..., ClipEncoder]
) -> None:
    encoder = clip_encoder(*tiny_model("tiny-clip"))
    files = [file_of(scene()), turned(scene()), claiming(20_000, 20_000)]
    pairs: Any = SimpleNamespace(
        unsafe_captions=["a handgun", "a kettle"],
        safe_captions=["a vase", "a cup"],
        unsafe_image=np.array([0, 2]),
        safe_image=np.array([1, 2]),
    )
    prepare = preparation(encoder, pairs, files.__getitem__)
    pixels = prepare(np.array([0])).pixels
    assert pixels.shape == (2, 3, 32, 32)
    assert pixels.dtype == torch.uint8
    assert torch.equal(pixels[0], pixels[1])
    seen = encoder.picture_input.normalise(pixels)
    assert torch.equal(seen[0], encoder.preprocess(scene()))
    with pytest.raises(InputError, match="image_too_large"):
        prepare(np.array([1]))
