"""train, its batches: pictures reach the towers upright."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from support.odd_pictures import claiming, file_of, scene, turned
from torch.nn.functional import normalize

from nsfwcaps.encoders.clip import ClipEncoder
from nsfwcaps.errors import InputError
from nsfwcaps.training.inputs import encode, encoders_of, preparation, prepared_items
from nsfwcaps.training.pairs import ItemRows


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
    pixels = prepare(np.array([0]), map).pixels
    assert pixels.shape == (2, 3, 32, 32)
    assert pixels.dtype == torch.uint8
    assert torch.equal(pixels[0], pixels[1])
    seen = encoder.picture_input.normalise(pixels)
    assert torch.equal(seen[0], encoder.preprocess(scene()))
    with pytest.raises(InputError, match="image_too_large"):
        prepare(np.array([1]), map)


def test_half_precision_is_fed_with_pictures_resized_by_torch(
    tiny_model: Callable[..., tuple[str, str]], clip_encoder: Callable[..., ClipEncoder]
) -> None:
    encoder = clip_encoder(*tiny_model("tiny-clip"))
    drawn = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    data = file_of(Image.fromarray(drawn))
    pairs: Any = SimpleNamespace(
        unsafe_captions=["a handgun"],
        safe_captions=["a vase"],
        unsafe_image=np.array([0]),
        safe_image=np.array([0]),
    )
    exact, half = (
        preparation(encoder, pairs, lambda row: data, dtype)(np.array([0]), map).pixels.int()
        for dtype in (torch.float32, torch.bfloat16)
    )
    assert 0 < (exact - half).abs().max() <= 2
    items = prepared_items(
        encoder,
        ItemRows(captions=["a handgun"], text=np.array([0]), image=np.array([0])),
        lambda row: data,
        torch.bfloat16,
    )
    assert torch.equal(items.prepare(np.array([0]), map).pixels.int()[0], half[0])


def test_encoders_normalise_on_the_way_to_the_tower(
    tiny_model: Callable[..., tuple[str, str]], clip_encoder: Callable[..., ClipEncoder]
) -> None:
    encoder = clip_encoder(*tiny_model("tiny-clip"))
    pairs: Any = SimpleNamespace(
        unsafe_captions=["a handgun"],
        safe_captions=["a vase"],
        unsafe_image=np.array([0]),
        safe_image=np.array([1]),
    )
    files = [file_of(scene()), file_of(scene().rotate(180))]
    encoders = encoders_of(encoder, pairs, files.__getitem__, torch.float32)
    with torch.inference_mode():
        _, seen = encode(encoders, encoders.prepare(np.array([0]), map))
        whole = torch.stack([encoder.preprocess(scene()), encoder.preprocess(scene().rotate(180))])
        expected = normalize(encoder.model.encode_image(whole), dim=-1)
    assert torch.equal(seen[:, 0], expected)
