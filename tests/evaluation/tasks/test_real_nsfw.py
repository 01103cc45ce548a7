"""How often an unsafe item comes first, by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from nsfwcaps.evaluation.inputs import MixedVectors
from nsfwcaps.evaluation.tasks import real_nsfw
from nsfwcaps.metrics.similarities import Vectors


def at(*degrees: float) -> Vectors:
    angles = np.deg2rad(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


MIXED = MixedVectors(
    unsafe_image=at(10, 100),
    safe_image=at(0, 50, 180),
    unsafe_text=at(8, 60, 98),
    safe_text=at(11, 140),
    text_categories=np.array(["weapon", "fire", "fire"]),
)


def test_unsafe_first_by_hand() -> None:
    found = real_nsfw.score(MIXED)
    assert found.task == "real-nsfw"
    assert found.values["text→image unsafe first"].tolist() == [1, 0, 1]
    assert found.values["image→text unsafe first"].tolist() == [0, 1]
    assert found.groups.keys() == {"text→image unsafe first"}
    assert found.facts == {
        "unsafe_images": 2,
        "safe_images": 3,
        "unsafe_captions": 3,
        "safe_captions": 2,
    }


@pytest.mark.parametrize("side", ["unsafe_image", "safe_image", "unsafe_text", "safe_text"])
def test_an_empty_side_is_an_error(side: str) -> None:
    with pytest.raises(ValueError, match="every side needs items"):
        real_nsfw.score(dataclasses.replace(MIXED, **{side: at()}))
