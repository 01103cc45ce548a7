"""The grammar: what it makes of captions, whole; and what it leaves alone."""

from __future__ import annotations

import pytest

from nsfwcaps.construction.insertions import insertions
from nsfwcaps.construction.lexicon import ELEMENTS, Element

HANDGUN = next(item for item in ELEMENTS if item.phrase == "a handgun")
CAR = next(item for item in ELEMENTS if item.phrase == "a burnt-out car")
POACHER = next(item for item in ELEMENTS if item.phrase == "a poacher")


def edits(caption: str, element: Element) -> list[str]:
    """Every way in which the grammar puts an element into a caption."""
    return [
        place.apply(caption, phrase)
        for place in insertions(caption)
        if (phrase := place.phrase(element)) is not None
    ]


@pytest.mark.parametrize(
    ("caption", "element", "expected"),
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
        ("A man is riding a bike", HANDGUN, "A man with a handgun is riding a bike"),
        ("Two men walking home", HANDGUN, "Two men with handguns walking home"),
        ("A laptop on a desk.", HANDGUN, "A laptop and a handgun on a desk."),
        ("A LAPTOP ON A DESK", HANDGUN, "A LAPTOP AND A HANDGUN ON A DESK"),
        ("People sit at a table .", HANDGUN, "People sit at a table with a handgun on it ."),
        ("A cat in a kitchen.", HANDGUN, "A cat in a kitchen with a handgun on the floor."),
        (
            "A bathroom with a sink and a tub",
            HANDGUN,
            "A bathroom with a handgun on the floor, a sink and a tub",
        ),
        (
            "A bathroom with a sink",
            HANDGUN,
            "A bathroom with a handgun on the floor and a sink",
        ),
        ("A desk with a lamp on it", HANDGUN, "A desk with a handgun and a lamp on it"),
        ("a toilet next to a sink.", HANDGUN, "a toilet next to a sink and a handgun."),
        ("A man holding a phone", HANDGUN, "A man holding a handgun and a phone"),
        ("A bus parked on a street", CAR, "A bus parked next to a burnt-out car on a street"),
        ("A bus drives down a street!", CAR, "A bus drives down a street past a burnt-out car!"),
        ("A bus on a city street", CAR, "A bus on a city street near a burnt-out car"),
        ("Zebras graze in a field.", POACHER, "Zebras graze in a field near a poacher."),
    ],
)
def test_edits(caption: str, element: Element, expected: str) -> None:
    assert expected in edits(caption, element)


@pytest.mark.parametrize(
    "caption",
    [
        "",
        ".",
        "Sky",
        "A boy sits on a bench",
        "A family at a table",
        "A man on a table tennis court",
        "A man surfing on a wave",
        "A bed of lettuce",
        "A salad on a bed of rice",
        "A plane parked on a runway",
        "İstanbul'da bir kedi",
    ],
)
def test_left_alone(caption: str) -> None:
    assert insertions(caption) == []


def test_nothing_is_next_to_two_things() -> None:
    for caption in ("A cup next to a plate sits on a table", "A cup sits near a plate on a table"):
        assert all("next to a handgun" not in text for text in edits(caption, HANDGUN))


def test_an_element_stands_where_it_can_only() -> None:
    assert edits("A vase sits on a table", CAR) == []
    assert edits("Two men walking home", CAR) == []


def test_edits_only_insert() -> None:
    caption = "A man is standing in front of a desk with a laptop on a table in a kitchen."
    found = insertions(caption)
    assert found
    for place in found:
        text = place.apply(caption, "X")
        assert text.startswith(caption[: place.at])
        assert text.endswith(caption[place.at :])
        assert "  " not in text
        assert " ." not in text
