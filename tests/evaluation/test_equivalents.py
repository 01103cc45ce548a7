"""Equivalents by name, by a shared caption or picture, and by near-duplicates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.set_files import png, write_table

from nsfwcaps.evaluation import equivalents as module
from nsfwcaps.evaluation.datasets.pair_set import PairSet
from nsfwcaps.evaluation.datasets.pairs import read_pairs
from nsfwcaps.evaluation.datasets.pictures import PictureSet
from nsfwcaps.evaluation.equivalents import described, equivalents, near_rows
from nsfwcaps.evaluation.inputs import MISSING
from nsfwcaps.metrics.answer_sets import Sets
from nsfwcaps.metrics.similarities import Vectors
from nsfwcaps.progress import Silent


def at(*degrees: float) -> Vectors:
    angles = np.deg2rad(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def members(sets: Sets | None) -> list[list[int]]:
    assert sets is not None
    return [sets[which].tolist() for which in range(len(sets))]


def read(path: Path, rows: list[dict[str, Any]]) -> PairSet:
    return read_pairs("some", str(write_table(path / "set.parquet", rows)), None, None, Silent())


def row(unsafe: int, caption: int, picture: int, **more: Any) -> dict[str, Any]:
    return {
        "unsafe_id": f"u{unsafe}",
        "unsafe_caption": f"A handgun on a table, {unsafe}.",
        "safe_caption": f"A cup on a table, {caption}.",
        "safe_image": png(picture),
        **more,
    }


def test_captions_of_one_picture_are_right_for_each_other(tmp_path: Path) -> None:
    # Five captions of picture 0, one of picture 1.
    pairs = read(tmp_path, [*(row(n, n, 0) for n in range(5)), row(5, 5, 1)])
    far = at(0, 25, 50, 75, 100, 125)  # no two captions within 18 degrees, cosine 0.95
    found = equivalents(pairs, far, at(0, 90), np.arange(2))
    assert members(found.text) == [[0, 1, 2, 3, 4]] * 5 + [[5]]
    assert members(found.image) == [[0]] * 5 + [[1]]
    assert found.counts == {"named": 0, "same": 5, "near": 0}


def test_near_duplicates_of_captions_or_pictures_by_hand(tmp_path: Path) -> None:
    pairs = read(tmp_path, [row(n, n, n) for n in range(4)])
    # Captions 0 and 1 are 10 degrees apart, pictures 1 and 2 are, and nothing else is near; 3 is
    # 20 degrees from 2, whose cosine is 0.94.
    found = equivalents(pairs, at(0, 10, 100, 190), at(0, 100, 110, 130), np.arange(4))
    assert members(found.text) == [[0, 1], [0, 1, 2], [1, 2], [3]]  # not through one in between
    assert members(found.image) == [[0, 1], [0, 1, 2], [1, 2], [3]]
    assert found.counts == {"named": 0, "same": 0, "near": 3}
    facts = described(found, "base")
    assert facts["pairs_with_near_duplicates_only"] == 3
    assert "at least 0.95 by base" in facts["by"]


def test_without_any_there_are_no_sets(tmp_path: Path) -> None:
    pairs = read(tmp_path, [row(n, n, n) for n in range(2)])
    found = equivalents(pairs, at(0, 90), at(0, 90), np.arange(2))
    assert found.text is None
    assert found.image is None


def test_named_ones_and_partners_count_where_they_are_near(tmp_path: Path) -> None:
    first = {"safe_id": "s0", "equivalent_safe_ids": ["s1"], "partner_caption": "A mug, 9."}
    other = {"safe_id": "s1", "equivalent_safe_ids": [""], "partner_caption": None}
    pairs = read(tmp_path, [row(0, 0, 0, **first), row(1, 1, 1, **other)])
    assert pairs.safe_captions == ["A cup on a table, 0.", "A mug, 9.", "A cup on a table, 1."]
    # The partner of pair 0 is near the target of pair 1.
    found = equivalents(pairs, at(0, 90, 95), at(0, 90), np.arange(2))
    assert members(found.text) == [[0, 2], [1, 2]]
    assert members(found.image) == [[0, 1], [1]]
    assert found.counts == {"named": 1, "same": 0, "near": 1}


def test_a_picture_without_a_vector_is_near_nothing(tmp_path: Path) -> None:
    pairs = read(tmp_path, [row(n, n, n) for n in range(3)])
    found = equivalents(pairs, at(0, 90, 180), at(0, 5), np.array([0, 2]))
    assert members(found.image) == [[0, 2], [1], [0, 2]]
    text_only = equivalents(pairs, at(0, 5, 180), None, np.empty(0, dtype=np.int64))
    assert members(text_only.image) == [[0, 1], [0, 1], [2]]


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 10**6))
def test_brute_force(seed: int) -> None:
    random = np.random.default_rng(seed)
    captions, pictures, count = 8, 6, 12
    pairs = _pairs(random.integers(0, captions, count), random.integers(MISSING, pictures, count))
    text, image = _rows(random, captions), _rows(random, pictures)
    near_text, near_image = (
        rows.astype(float) @ rows.astype(float).T >= 0.95 for rows in (text, image)
    )
    found = equivalents(pairs, text, image, np.arange(pictures))
    for pair in range(count):
        own = pairs.safe_text_of[pair], pairs.safe_image_of[pair]
        right = [
            item
            for item in pairs.safe_items.tolist()
            if near_text[own[0], item[0]]
            or (own[1] != MISSING and item[1] != MISSING and near_image[own[1], item[1]])
        ]
        if found.text is None:
            assert len(right) == 1
            continue
        assert found.image is not None
        assert found.text[pair].tolist() == sorted({item[0] for item in right})
        assert found.image[pair].tolist() == sorted({i[1] for i in right if i[1] != MISSING})


def test_a_model_with_one_point_for_all_stays_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST", 3)
    near = near_rows(np.tile(at(30), (50, 1)), 50)
    assert near.nnz <= 2 * 4 * 50  # three and itself, from either side
    assert near.diagonal().all()


def _rows(random: np.random.Generator, count: int) -> Vectors:
    centres = random.normal(size=(3, 6))
    rows = centres[random.integers(0, 3, count)] + random.normal(0, 0.3, (count, 6))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def _pairs(text: Any, image: Any) -> PairSet:
    pictures = PictureSet()
    for number in range(6):
        pictures.add(bytes, png(number))
    items = list(dict.fromkeys(zip(text.tolist(), image.tolist(), strict=True)))
    count, none = len(text), np.full(len(text), MISSING)
    return PairSet(
        name="some",
        safe_captions=[f"A cup, {n}." for n in range(8)],
        unsafe_captions=[f"A handgun, {n}." for n in range(count)],
        safe_pictures=pictures,
        unsafe_pictures=PictureSet(),
        ids=[f"u{n}" for n in range(count)],
        safe_text_of=text,
        unsafe_text_of=np.arange(count),
        safe_image_of=image,
        unsafe_image_of=none,
        partner_text_of=none,
        partner_image_of=none,
        categories=None,
        equivalent_text=None,
        equivalent_image=None,
        safe_items=np.array(items),
        origins={},
        left_out={},
    )
