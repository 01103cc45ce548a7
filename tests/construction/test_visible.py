from __future__ import annotations

import pytest

from nsfwcaps.construction.elements import ELEMENTS
from nsfwcaps.construction.visible import is_visible


@pytest.mark.parametrize(
    "element",
    [
        *("a stolen purse", "a fake passport", "counterfeit bills", "an illegal dump"),
        *("a dangerous mood", "a bottle of poison", "a suspicious package", "a killer app"),
        *("a dead end", "a group shot", "a man shooting a basket", "a toy gun"),
        *("a water pistol", "a smash hit", "photobombing", "drop-dead looks"),
    ],
)
def test_unsafe_by_wording_alone(element: str) -> None:
    assert not is_visible(element)


@pytest.mark.parametrize(
    "element",
    [
        "a handgun",
        "lines of cocaine",
        "a dead rat",
        "a man aiming a rifle",
        "a killer whale carcass",
    ],
)
def test_things_that_a_picture_shows(element: str) -> None:
    assert is_visible(element)


def test_every_element_is_visible() -> None:
    for element in ELEMENTS:
        assert is_visible(f"{element.phrase} {element.detail}"), element.phrase
