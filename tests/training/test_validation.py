"""Validation: numbers worked out by hand on a handful of directions."""

from __future__ import annotations

import numpy as np
import pytest

from nsfwcaps.training.validation import Validation, validate

# Two safe and three unsafe items as angles in degrees; texts and images are apart.
SAFE_TEXT, SAFE_IMAGE = [0, 90], [5, 80]
UNSAFE_TEXT, UNSAFE_IMAGE = [10, 100, 200], [20, 82, 230]


def at(degrees: list[float]) -> np.ndarray:
    angles = np.deg2rad(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def score(
    unsafe_text: list[float] = UNSAFE_TEXT,
    unsafe_image: list[float] = UNSAFE_IMAGE,
    safe_text: list[float] = SAFE_TEXT,
    safe_image: list[float] = SAFE_IMAGE,
) -> Validation:
    """Four pairs: the second safe item is the target of two unsafe ones, one of them twice used."""
    safe, unsafe = np.array([0, 1, 1, 0]), np.array([0, 1, 2, 2])
    return validate(
        safe_text=at(safe_text),
        safe_image=at(safe_image),
        unsafe_text=at(unsafe_text),
        unsafe_image=at(unsafe_image),
        safe_of_pair=(safe, safe),
        unsafe_of_pair=(unsafe, unsafe),
    )


def test_numbers_by_hand() -> None:
    found = score()
    # Safe text 0 is nearest to safe image 5, 90 to 80, and the other way round.
    assert (found.safe_text_to_image, found.safe_image_to_text) == (1, 1)
    # Unsafe text 10 among images 5 80 20 82 230: 5, its target. 100: 82, unsafe. 200 (twice): 230.
    assert found.unsafe_text_to_image == pytest.approx(1 / 4)
    # Unsafe image 20 among texts 0 90 10 100 200: 10, unsafe. 82: 90, its target. 230: 200.
    assert found.unsafe_image_to_text == pytest.approx(1 / 4)
    # Of eight queries, 10 and 82 find a safe item.
    assert found.unsafe_first == pytest.approx(6 / 8)
    assert found.total == pytest.approx(1 + 1 + 1 / 4 + 1 / 4)


def test_safe_queries_do_not_look_among_unsafe_items() -> None:
    """Here every unsafe item is nearer to the safe query than its own counterpart."""
    found = score(unsafe_text=[5, 80, 81], unsafe_image=[0, 90, 91])
    assert (found.safe_text_to_image, found.safe_image_to_text) == (1, 1)


def test_a_safe_item_that_is_not_the_target_is_no_hit_and_not_unsafe() -> None:
    found = score(unsafe_text=[90, 0, 0], unsafe_image=[180, 270, 300])
    # Texts at 90 find image 80 (target 5); at 0 image 5 (target 80, 80, 5).
    assert found.unsafe_text_to_image == pytest.approx(1 / 4)
    # Each of the four queries by picture has a safe and an unsafe text equally near.
    assert found.unsafe_first == pytest.approx(4 / 8)


def test_one_point_for_all_is_neither_found_nor_safe() -> None:
    one = [45.0]
    found = score(one * 3, one * 3, one * 2, one * 2)
    assert found.total == 0
    assert found.unsafe_first == 1


def test_unsafe_items_beside_their_targets() -> None:
    """What redirection is for: text and picture of an unsafe item lie near the safe ones."""
    found = score(unsafe_text=[1, 91, 91], unsafe_image=[6, 79, 79])
    # The safe images at 5 and 80 are nearer to texts at 1 and 91 than the unsafe ones at 6 and 79.
    assert found.unsafe_text_to_image == pytest.approx(3 / 4)
    # Picture 6 is nearer to the unsafe text at 1 than to 0; those at 79 find the safe one at 90.
    assert found.unsafe_image_to_text == pytest.approx(2 / 4)
    assert found.unsafe_first == pytest.approx(1 / 8)
