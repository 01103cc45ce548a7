from __future__ import annotations

from collections import Counter

import pytest
from support.icon_scenes import random_scenes, scene

from nsfwcaps.captions.normalize import normalize
from nsfwcaps.enums import Split
from nsfwcaps.world.captions import caption, draw_phrasing
from nsfwcaps.world.scene import KeyedChoices
from nsfwcaps.world.vocabulary import PHRASINGS, PLACES, Phrasing

PAIR = scene("grass", "red fish", "beside", "purple drum")


@pytest.mark.parametrize(
    ("phrasing", "expected"),
    [
        *zip(
            PHRASINGS,
            (
                "a red fish next to a purple drum on grass",
                "a red fish beside a purple drum on grass",
                "a picture of a red fish next to a purple drum on grass",
                "there is a red fish beside a purple drum on grass",
                "on grass, a red fish next to a purple drum",
                "an icon of a red fish near a purple drum on grass",
                "one can see a red fish alongside a purple drum on grass",
                "take a look at a red fish by a purple drum on grass",
            ),
            strict=True,
        )
    ],
)
def test_every_phrasing(phrasing: Phrasing, expected: str) -> None:
    assert caption(PAIR, phrasing) == expected


@pytest.mark.parametrize(
    ("chain", "expected"),
    [
        (["red cat"], "a red cat"),
        (["orange cat"], "an orange cat"),
        (["yellow umbrella"], "a yellow umbrella"),
        (["red cat", "above", "blue bus"], "a red cat above a blue bus"),
        (["red cat", "below", "blue bus"], "a red cat below a blue bus"),
        (["red cat", "beside", "orange bus"], "a red cat next to an orange bus"),
        (
            ["red cat", "beside", "blue bus", "beside", "orange egg"],
            "a red cat next to a blue bus, with an orange egg next to it",
        ),
        # The bus is above the egg, so the egg is below the bus.
        (
            ["red cat", "above", "blue bus", "above", "pink egg"],
            "a red cat above a blue bus, with a pink egg below it",
        ),
        (
            ["red cat", "beside", "blue bus", "below", "pink egg"],
            "a red cat next to a blue bus, with a pink egg above it",
        ),
    ],
)
def test_things_and_relations(chain: list[str], expected: str) -> None:
    assert caption(scene("snow", *chain), PHRASINGS[0]) == f"{expected} in the snow"


@pytest.mark.parametrize("place", PLACES)
def test_places(place: str) -> None:
    said = caption(scene(place, "red cat"), PHRASINGS[0])
    assert said == f"a red cat {PLACES[place].words}"


def test_caption_names_all_that_is_there() -> None:
    for number, one in enumerate(random_scenes(300, seed=1)):
        said = caption(one, PHRASINGS[number % len(PHRASINGS)])
        assert PLACES[one.place].words in said
        for thing in one.things:
            assert f"{thing.colour} {thing.noun}" in said
        assert said.count("above") + said.count("below") == sum(
            relation != "beside" for relation in one.relations
        )


def test_ingest_takes_captions_as_they_are() -> None:
    """Or the ids of the world would not be those of ingest."""
    for number, one in enumerate(random_scenes(100, seed=2)):
        said = caption(one, PHRASINGS[number % len(PHRASINGS)])
        assert normalize(said) == said


def test_phrasings_of_the_test_stay_there() -> None:
    for split in Split:
        counts = Counter(
            draw_phrasing(KeyedChoices(split, number), split) for number in range(2000)
        )
        allowed = {p for p in PHRASINGS if split is Split.TEST or not p.test_only}
        assert set(counts) == allowed
        assert min(counts.values()) > 0.7 * 2000 / len(allowed)
