"""Captions that the rules do not edit, sound as they may be."""

from __future__ import annotations

import pytest

from nsfwcaps.construction.broken import is_broken
from nsfwcaps.construction.forms import not_edited
from nsfwcaps.construction.spelling import unknown_words


@pytest.mark.parametrize(
    "caption",
    [
        "A vase of flowers sits on a table.",
        "a laptop on a desk",
        "There are two cups on the counter.",
        "Zebras graze in a field near trees",
        "Two men walking down a street, one with an umbrella",
        "A man's bike leaning against the wall of a house",
        "A grey lorry parked near the colourful tyres of a garage",
        "A cup in a caf\u00e9 on a wooden table",
        "An unattended suitcase , two utensils and a quiche on a counter .",
        "A Nikon camera on a desk in London",
        "A dog on a rock with a man beside her",
        "The group of people is standing in a room",
    ],
)
def test_captions_that_are_edited(caption: str) -> None:
    assert not_edited(caption) is None


@pytest.mark.parametrize(
    "caption",
    [
        "Sky",
        "A table",
        "Two lizards fighting .",
        "A man walks. A dog runs down the street",
        'A sign that says "no parking" on a street',
        "A BENCH IS SEATED ON THE GRASS",
        "We are sitting at a table in a room",
        "Standing in the middle of a road",
        "On the road a bus and a car are going.",
        "sits on a wooden table next to a lamp",
        "In lady standing with her hand on carrots in a market.",
        "A cat on a bed in a room..",
        "A two story building on a street",
        "A group poses in a room with a table",
        "Woman in maroon shirt holding up a bagel.",
        "\u0130stanbul'da bir kedi masada oturuyor",
    ],
)
def test_unknown_forms(caption: str) -> None:
    assert not_edited(caption) == "unknown_form"
    assert not is_broken(caption)


@pytest.mark.parametrize(
    ("caption", "unknown"),
    [
        ("a woman sitting at a talbe with a cup", ["talbe"]),
        ("A man next to a whit toliet in a room", ["whit", "toliet"]),
    ],
)
def test_unknown_words(caption: str, unknown: list[str]) -> None:
    assert not_edited(caption) == "unknown_word"
    assert unknown_words(caption) == unknown


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
        "This fridge goes great in this clean kitchen",
        "A motorcycle is parked on display in a field",
    ],
)
def test_unsuited_scenes(caption: str) -> None:
    assert not_edited(caption) == "unsuited_scene"


def test_surfaces_are_no_sport() -> None:
    assert not_edited("A cup on the wooden surface of a desk") is None
