from __future__ import annotations

import pytest

from nsfwcaps.enums import Category


def test_the_seven_of_i2p() -> None:
    assert len(Category) == 7
    assert Category("illegal activity") is Category.ILLEGAL_ACTIVITY


@pytest.mark.parametrize("name", ["illegal-activity", "Illegal Activity", "ILLEGAL-activity"])
def test_hyphens_and_case_are_no_difference(name: str) -> None:
    assert Category(name) is Category.ILLEGAL_ACTIVITY


def test_self_harm_keeps_its_hyphen() -> None:
    assert Category("self harm").value == "self-harm"


def test_unknown() -> None:
    with pytest.raises(ValueError, match="weather"):
        Category("weather")
