"""Channels last for convolutional towers on a CPU: the same weights, digest and rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from nsfwcaps.encoders import clip
from nsfwcaps.encoders.clip import ClipEncoder
from nsfwcaps.encoders.memory_format import picture_layout

TinyModel = Callable[..., tuple[str, str]]
LoadClip = Callable[..., ClipEncoder]

CONVOLUTIONAL: dict[str, Any] = {
    "tiny-resnet": {
        "vision_cfg": {"image_size": 64, "layers": [1, 1, 1, 1], "width": 8, "head_width": 16}
    },
    "tiny-efficientnet": {
        "std": 0.1,  # deeper: larger random weights would magnify the rounding
        "custom_text": True,
        "vision_cfg": {
            "image_size": 64,
            "timm_model_name": "tf_efficientnet_lite0",
            "timm_model_pretrained": False,
            "timm_pool": "avg",
            "timm_proj": "linear",
        },
    },
}


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_convolutional_towers_give_the_same_rows_with_channels_last(
    tiny_model: TinyModel,
    clip_encoder: LoadClip,
    picture: Callable[..., bytes],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    made = tiny_model(name, **CONVOLUTIONAL[name])
    fast = clip_encoder(*made)
    assert fast._layout is torch.channels_last
    monkeypatch.setattr(clip, "picture_layout", lambda visual, device: torch.contiguous_format)
    plain = clip_encoder(*made)
    assert fast.identity == plain.identity
    images = [(colour, lambda c=colour: picture(c)) for colour in ("red", "blue", "green")]
    expected = plain.encode_images(images, print).rows
    assert np.abs(expected[0] - expected[1]).max() > 1e-3
    np.testing.assert_allclose(fast.encode_images(images, print).rows, expected, atol=1e-5)


def test_transformers_and_gpus_keep_their_layout(
    tiny_model: TinyModel, clip_encoder: LoadClip
) -> None:
    visual = clip_encoder(*tiny_model("tiny-clip")).model.visual
    assert picture_layout(visual, "cpu") is torch.contiguous_format
    convolutions = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.Conv2d(4, 4, 3))
    assert picture_layout(convolutions, "cpu") is torch.channels_last
    assert picture_layout(convolutions, "cuda") is torch.contiguous_format
