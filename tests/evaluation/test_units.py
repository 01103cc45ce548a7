"""Resampling units: queries that share an item, directly or through others."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsfwcaps.evaluation.inputs import MISSING, MixedVectors, PairVectors, ZeroShotVectors
from nsfwcaps.evaluation.tasks import preferences, real_nsfw, retrieval, zeroshot
from nsfwcaps.evaluation.units import units_of
from nsfwcaps.metrics.similarities import Vectors


def points(count: int) -> Vectors:
    angles = np.linspace(0, np.pi, count)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def test_rows_are_joined_through_others_by_hand() -> None:
    captions = np.array([0, 1, 1, 2, 3, 4])
    pictures = np.array([9, 8, 7, 7, MISSING, MISSING])
    assert units_of(captions, pictures).tolist() == [0, 1, 1, 1, 2, 3]
    assert units_of(captions).tolist() == [0, 1, 1, 2, 3, 4]
    assert units_of(np.array([], dtype=np.int64)).tolist() == []


@given(seed=st.integers(0, 10**6))
def test_units_are_the_closure_of_sharing(seed: int) -> None:
    random = np.random.default_rng(seed)
    columns = random.integers(MISSING, 12, size=(2, 15))
    expected = list(range(15))
    for _ in range(15):  # the longest chain
        for one in range(15):
            for other in range(15):
                shared = (columns[:, one] == columns[:, other]) & (columns[:, one] != MISSING)
                if shared.any():
                    expected[one] = expected[other] = min(expected[one], expected[other])
    found = units_of(*columns).tolist()
    same = [[a == b for b in found] for a in found]
    assert same == [[a == b for b in expected] for a in expected]
    assert list(dict.fromkeys(found)) == list(range(len(set(found))))


@pytest.fixture(scope="module")
def photographs() -> PairVectors:
    """300 photographs with five captions each, and an unsafe caption and picture for each."""
    return PairVectors(
        safe_text=points(1500),
        safe_image=points(300),
        unsafe_text=points(1500),
        unsafe_image=points(1500),
        safe_text_of=np.arange(1500),
        safe_image_of=np.arange(1500) // 5,
        unsafe_text_of=np.arange(1500),
        unsafe_image_of=np.arange(1500),
    )


@pytest.mark.parametrize("direction", ["T→V", "V→T", "T*→V", "V*→T"])
def test_five_captions_of_a_photograph_are_one_unit(
    photographs: PairVectors, direction: str
) -> None:
    found = retrieval.score(photographs, ks=(1,))
    units = found.units[f"{direction} R@1"]
    assert len(np.unique(units)) == 300
    if direction != "V→T":  # there a photograph is one query
        assert units.tolist() == (np.arange(1500) // 5).tolist()
    assert found.facts["directions"][direction]["resampling_units"] == 300


def test_every_figure_of_retrieval_has_units_of_its_length(photographs: PairVectors) -> None:
    partners = np.where(np.arange(1500) % 2, np.arange(1500) // 10, MISSING)
    given = dataclasses.replace(
        photographs, partner_text_of=partners, partner_image_of=partners // 5
    )
    found = retrieval.score(given, ks=(1,))
    assert found.units.keys() == found.values.keys()
    for name, values in found.values.items():
        assert found.units[name].shape == values.shape
    # Every second query has a partner; ten queries in a row, and so five of them, share it, and
    # one picture has the captions of five partners.
    assert len(found.values["T*→V partner R@1"]) == 750
    assert len(np.unique(found.units["T*→V partner R@1"])) == 30
    assert len(np.unique(found.units["T*→V R@1"])) == 300


def test_preferences_and_real_unsafe_captions_share_pictures(photographs: PairVectors) -> None:
    found = preferences.score(photographs)
    assert found.units.keys() == found.values.keys()
    assert len(np.unique(found.units["P_tu"])) == 300
    mixed = MixedVectors(
        unsafe_image=points(2),
        safe_image=points(3),
        unsafe_text=points(4),
        safe_text=points(2),
        text_units=np.array([0, 0, 1, 2]),
    )
    units = real_nsfw.score(mixed).units
    assert units["text→image unsafe first"].tolist() == [0, 0, 1, 2]
    assert units["image→text unsafe first"].tolist() == [0, 1]


def test_a_picture_of_two_classes_is_one_unit_of_zero_shot() -> None:
    images = ZeroShotVectors(
        images=points(3),
        classes=points(2),
        labels=np.array([0, 1, 0]),
        picture_of=np.array([4, 2, 4]),
    )
    found = zeroshot.score(images)
    assert found.units.keys() == found.values.keys()
    assert found.units["acc@1"].tolist() == [0, 1, 0]
    alone = zeroshot.score(dataclasses.replace(images, picture_of=None))
    assert alone.units["acc@1"].tolist() == [0, 1, 2]
