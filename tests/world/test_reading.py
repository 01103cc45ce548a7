from __future__ import annotations

import pytest
from support.icon_scenes import scene

from nsfwcaps.enums import Split
from nsfwcaps.world.captions import caption
from nsfwcaps.world.reading import read_caption
from nsfwcaps.world.vocabulary import KINDS, PHRASINGS, PLACES
from nsfwcaps.world.world import World


@pytest.mark.parametrize("split", Split)
def test_every_caption_of_a_world_says_its_scene(split: Split) -> None:
    world = World(seed=3, split=split, looseness=1.0, safe_count=120)
    for number in range(120):
        for drawn in (world.safe(number), world.unsafe(number)):
            found = read_caption(drawn.caption)
            assert found is not None
            assert found[0] == drawn.scene
            assert caption(*found) == drawn.caption


@pytest.mark.parametrize("phrasing", PHRASINGS, ids=lambda item: item.sentence + item.beside)
@pytest.mark.parametrize("place", PLACES)
def test_every_noun_in_every_place_and_phrasing(phrasing: object, place: str) -> None:
    for number, kind in enumerate(KINDS):
        other = KINDS[(number + 7) % len(KINDS)]
        wanted = scene(place, f"orange {kind.noun}", "above", f"black {other.noun}")
        found = read_caption(caption(wanted, phrasing))  # type: ignore[arg-type]
        assert found is not None
        assert found[0] == wanted


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a red fish",
        "an red fish on grass",
        "a red fish next to a shoe on grass",
        "a red fish next to a purple drum on grass near a dead bird",
        "A red fish on grass",
        "a red fish next to a purple drum beside a red cat on grass",
        "a crimson fish on grass",
    ],
)
def test_other_texts_are_no_scenes(text: str) -> None:
    assert read_caption(text) is None
