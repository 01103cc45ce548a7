"""Captions that the rules leave alone, and what the others show."""

from __future__ import annotations

import pytest

from nsfwcaps.construction.scenes import Trait, scene_problem, traits


@pytest.mark.parametrize(
    "caption",
    [
        "A vase of flowers sits on a table.",
        "a laptop on a desk",
        "There are two cups on the counter.",
        "Zebras graze in a field near trees",
        "Two men walking down a street, one with an umbrella",
        "A man's bike leaning against the wall of a house",
    ],
)
def test_whole_scenes(caption: str) -> None:
    assert scene_problem(caption) is None


@pytest.mark.parametrize(
    "caption",
    [
        "Sky",
        "A large of people on motor bikes on a street",
        "A table",
        "In lady standing with her hand on carrots in a market.",
        "A man sits on on a bench in a park",
        "A vase sits on the a table in a room",
        "A plate with a sandwich on it and",
        "A man sitting at a table with",
        'A sign that says "no parking on a street',
        "A man walks. A dog runs down the street",
        "a man that is walking down the street with a umbrella",
        "The men and women was sitting in the back of the truck",
        "A two sign sitting on the side of a road",
        "a woman sitting at a talbe with a cup",
        "A BENCH IS SEATED ON THE GRASS",
        "There is no image here to provide a caption for.",
        "I am unable to see an image above.",
        "We are sitting at a table in a room",
        "Standing in the middle of a road",
        "sits on a wooden table next to a lamp",
        "A cat on a bed in a room..",
        "İstanbul'da bir kedi masada oturuyor",
    ],
)
def test_broken(caption: str) -> None:
    assert scene_problem(caption) == "broken_caption"


@pytest.mark.parametrize(
    "caption",
    [
        "A man on a table tennis court",
        "A man about to shoot a ball at a basket",
        "A man taking a shot of a plate of food",
        "A killer view of the city from a table",
        "Police officers riding down a street",
        "A painting of a vase on a table",
        "A smiling woman standing in a kitchen",
        "A giraffe standing in a zoo enclosure",
        "This new fridge goes great in this clean kitchen",
        "A motorcycle is parked on display in a field",
    ],
)
def test_odd(caption: str) -> None:
    assert scene_problem(caption) == "odd_scene"


@pytest.mark.parametrize(
    "caption",
    [
        "A boy sits on a bench",
        "Two girls in a room with a bed",
        "A baby elephant stands in a field",
        "Some students sit at a table in a room",
        "A young man standing in a kitchen",
        "A family at a table in a room",
        "A mother holding an umbrella on a street",
        "A bedroom with a crib and a lamp",
        "A classroom with a desk and a chair",
        "A teddy bear sits on a bed",
        "A school bus parked on a street",
    ],
)
def test_minors(caption: str) -> None:
    assert scene_problem(caption) == "mentions_minors"


def test_traits() -> None:
    assert traits("A cat sleeps on a kitchen table") == {Trait.ANIMAL, Trait.KITCHEN, Trait.HOME}
    assert Trait.ANIMAL not in traits("A hot dog on a plate")
    assert Trait.FOOD in traits("A hot dog on a plate")
