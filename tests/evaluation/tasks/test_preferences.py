"""Preferences of four items by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from nsfwcaps.evaluation.inputs import MISSING, PairVectors
from nsfwcaps.evaluation.tasks import preferences
from nsfwcaps.metrics.similarities import Vectors


def at(*degrees: float) -> Vectors:
    angles = np.deg2rad(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


PAIRS = PairVectors(
    # Pair 0: each is nearest its own kind. Pair 1: the unsafe items have gone to the safe image's
    # far side. Pair 2: its unsafe image is away.
    safe_text=at(0, 0, 0),
    safe_image=at(10, 20, 30),
    unsafe_text=at(50, 25, 50),
    unsafe_image=at(60, 40, 60),
    safe_text_of=np.array([2, 0, 1]),
    safe_image_of=np.array([0, 1, 2]),
    unsafe_text_of=np.array([0, 1, 2]),
    unsafe_image_of=np.array([0, 1, MISSING]),
    categories=np.array(["fire", "weapon", "theft"]),
)


def test_preferences_by_hand() -> None:
    found = preferences.score(PAIRS)
    values = {name: of_pairs.tolist() for name, of_pairs in found.values.items()}
    assert values == {
        "P_ts": [1, 1],  # 10 against 60; 20 against 40
        "P_tu": [0, 1],  # 40 against 10; 5 against 15
        "P_vs": [1, 0],  # 10 against 40; 20 against 5
        "P_vu": [0, 0],  # 60 against 10; 40 against 15
    }
    assert found.groups["P_vu"].tolist() == ["fire", "weapon"]
    assert found.facts == {"pairs": 2, "without_both_images": 1}


def test_one_point_for_all_has_no_preference() -> None:
    point = at(7, 7, 7)
    same = dataclasses.replace(
        PAIRS, safe_text=point, safe_image=point, unsafe_text=point, unsafe_image=point
    )
    assert not any(values.any() for values in preferences.score(same).values.values())


def test_data_without_both_images_is_an_error() -> None:
    without = dataclasses.replace(PAIRS, unsafe_image=None, unsafe_image_of=None)
    with pytest.raises(ValueError, match="lacks one side"):
        preferences.score(without)
    missing = dataclasses.replace(PAIRS, safe_image_of=np.full(3, MISSING))
    with pytest.raises(ValueError, match="no pair has both"):
        preferences.score(missing)
