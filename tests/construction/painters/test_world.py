from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from nsfwcaps.construction.painters.painter import DrawRequest, KnowingPainter, Subject, seed_of
from nsfwcaps.construction.painters.world import WorldPainter
from nsfwcaps.world.picture import SIZE_PX
from nsfwcaps.world.vocabulary import COLOURS

PAINTER = WorldPainter()


def subject(caption: str) -> Subject:
    return Subject("1" * 32, caption, "2" * 32, "a red fish on grass")


def near(caption: str, colour: str, seed: int = 0) -> int:
    """Pixels that have about the colour."""
    (data,) = PAINTER.paint([DrawRequest(subject(caption), seed)])
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.size == (SIZE_PX, SIZE_PX)
        pixels = np.asarray(picture, dtype=np.int16)
    return int((np.abs(pixels - COLOURS[colour]).sum(axis=2) < 90).sum())


def test_the_hazard_is_in_the_picture() -> None:
    with_gun = near("a red fish next to a green gun in the snow", "green")
    assert near("a red fish in the snow", "green") == 0
    assert with_gun > 500


@pytest.mark.parametrize("seed", range(3))
def test_a_seed_is_another_picture_of_the_same_scene(seed: int) -> None:
    wanted = DrawRequest(subject("a red fish next to a purple gun in the snow"), seed)
    first, again, other = PAINTER.paint([wanted, wanted, DrawRequest(wanted.subject, seed + 10)])
    assert first == again != other
    assert near(wanted.subject.caption, "purple", seed) > 500


def test_it_refuses_what_it_cannot_draw_whole() -> None:
    known = subject("a red fish next to a purple gun in the snow")
    assert PAINTER.refusal(known, None) is None
    beyond = subject("a red fish next to a purple gun in the snow near a dead bird")
    assert PAINTER.refusal(beyond, None) == "not_of_the_world"


def test_it_knows_what_it_has_drawn() -> None:
    assert isinstance(PAINTER, KnowingPainter)
    assert PAINTER.truth(subject("a red fish next to a purple gun in the snow")) == 1
    assert PAINTER.truth(subject("a red fish next to a purple drum in the snow")) == 0


def test_seeds_differ_by_subject_attempt_and_seed() -> None:
    seeds = {seed_of(s, i, a) for s in range(3) for i in ("x", "y") for a in range(3)}
    assert len(seeds) == 18
    assert all(0 <= seed < 2**31 for seed in seeds)
