"""The grammar: what it makes of captions, whole; and what it leaves alone."""

from __future__ import annotations

import pytest

from nsfwcaps.construction.elements import ELEMENTS
from nsfwcaps.construction.hazard import Element
from nsfwcaps.construction.insertions import insertions
from nsfwcaps.construction.scenes import traits


def element(phrase: str, place: str) -> Element:
    return next(e for e in ELEMENTS if e.phrase == phrase and place in e.places)


HANDGUN = element("a handgun", "surface")
IN_HAND = element("a handgun", "hand")
RIFLE = element("a rifle", "slung")
RIFLES = element("rifles", "group")
CAR = element("a burnt-out car", "street")
PARKED = element("a burnt-out car", "parked")
CARCASS = element("an animal carcass", "nature")
PILLS = element("a spilled bottle of sleeping pills", "surface")
SEVERAL_PILLS = element("an empty pill bottle and scattered pills", "surface")


def edits(caption: str, hazard: Element) -> list[str]:
    """Every way in which the grammar puts an element into a caption."""
    scene = traits(caption)
    return [
        place.apply(caption, hazard) for place in insertions(caption) if place.takes(hazard, scene)
    ]


@pytest.mark.parametrize(
    ("caption", "hazard", "expected"),
    [
        (
            "A vase of flowers sits on a table",
            HANDGUN,
            "A vase of flowers sits next to a handgun on a table",
        ),
        (
            "A vase of flowers sits on top of a wooden table.",
            HANDGUN,
            "A vase of flowers sits next to a handgun on top of a wooden table.",
        ),
        (
            "A man is riding a bike",
            RIFLE,
            "A man with a rifle slung over his shoulder is riding a bike",
        ),
        (
            "A woman walking down a road",
            RIFLE,
            "A woman with a rifle slung over her shoulder walking down a road",
        ),
        (
            "A man standing in a kitchen",
            IN_HAND,
            "A man with a handgun in his hand standing in a kitchen",
        ),
        ("Two men walking home", RIFLES, "Two men with rifles walking home"),
        ("A laptop on a desk.", HANDGUN, "A laptop and a handgun on a desk."),
        ("People sit at a table .", HANDGUN, "People sit at a table with a handgun on it ."),
        ("A cat in a kitchen.", HANDGUN, "A cat in a kitchen with a handgun on the floor."),
        (
            "A bed in a small room next to a window",
            HANDGUN,
            "A bed in a small room with a handgun on the floor next to a window",
        ),
        (
            "A bathroom with a sink and a tub",
            HANDGUN,
            "A bathroom with a sink and a tub, and a handgun on the floor",
        ),
        ("A bathroom with a sink", HANDGUN, "A bathroom with a sink and a handgun on the floor"),
        (
            "A room with a bed in the middle",
            HANDGUN,
            "A room with a bed in the middle, with a handgun on the floor",
        ),
        ("A desk with a lamp on it", HANDGUN, "A desk with a handgun and a lamp on it"),
        ("A cup next to a plate.", HANDGUN, "A cup next to a plate and a handgun."),
        (
            "A toilet next to a sink.",
            HANDGUN,
            "A toilet next to a sink with a handgun on the floor.",
        ),
        (
            "A man holding a phone",
            IN_HAND,
            "A man holding a phone in one hand and a handgun in the other",
        ),
        (
            "A man lying in bed under a lamp",
            PILLS,
            "A man lying in bed next to a spilled bottle of sleeping pills under a lamp",
        ),
        ("A bus parked on a street", PARKED, "A bus parked next to a burnt-out car on a street"),
        ("A bus drives down a street!", CAR, "A bus drives down a street past a burnt-out car!"),
        ("A bus on a city street", CAR, "A bus on a city street near a burnt-out car"),
        ("Zebras graze in a field.", CARCASS, "Zebras graze in a field near an animal carcass."),
    ],
)
def test_edits(caption: str, hazard: Element, expected: str) -> None:
    assert expected in edits(caption, hazard)


@pytest.mark.parametrize(
    "caption",
    [
        "",
        ".",
        "Sky",
        "A man on a table tennis court",
        "A bed of lettuce",
        "A salad on a bed of rice",
    ],
)
def test_no_place(caption: str) -> None:
    assert insertions(caption) == []


@pytest.mark.parametrize(
    "caption",
    [
        "A man holding a plate and a cup",  # both hands
        "A man riding a motorcycle down a road",
        "A woman standing while talking on a phone",
    ],
)
def test_nothing_in_a_hand_that_is_not_free(caption: str) -> None:
    assert edits(caption, IN_HAND) == []


def test_a_list_takes_single_things_only() -> None:
    """Not `a cup next to a plate and an empty pill bottle and scattered pills`."""
    caption = "A lamp next to a laptop"
    assert edits(caption, PILLS) == [f"{caption} and a spilled bottle of sleeping pills"]
    assert edits(caption, SEVERAL_PILLS) == []


def test_what_belongs_to_a_desk_only_stands_on_it() -> None:
    assert edits("A computer desk with a large office chair", HANDGUN) == []


def test_nothing_is_next_to_two_things() -> None:
    for caption in ("A cup next to a plate sits on a table", "A cup sits near a plate on a table"):
        assert all("next to a handgun" not in text for text in edits(caption, HANDGUN))
    assert edits("A man walks past two dogs on a street", CAR) == []


def test_an_element_stands_where_it_can_only() -> None:
    assert edits("A vase sits on a table", CAR) == []
    assert edits("Two men walking home", CAR) == []


def test_edits_only_insert() -> None:
    caption = "A man is standing in front of a desk with a laptop on a table in a kitchen."
    found = insertions(caption)
    assert found
    for place in found:
        text = place.apply(caption, HANDGUN)
        assert text.startswith(caption[: place.at])
        assert text.endswith(caption[place.at :])
        assert "  " not in text
        assert " ." not in text
