"""Captions that may show minors."""

from __future__ import annotations

import pytest

from nsfwcaps.construction.checks import Limits, check_safe
from nsfwcaps.construction.minors import may_show_minors

LIMITS = Limits(max_words=40, max_added=12, max_removed=3)


@pytest.mark.parametrize(
    "caption",
    [
        "A boy sits on a bench",
        "Two girls in a room with a bed",
        "A BABY elephant stands in a field",
        "Some students sit at a table in a room",
        "A young man standing in a kitchen",
        "A family at a table in a room",
        "A mother holding an umbrella on a street",
        "A bedroom with a crib and a lamp",
        "A classroom with a desk and a chair",
        "A teddy bear sits on a bed",
        "A school bus parked on a street",
        "Kids' bikes and a child's hat",
        "A 4-year-old on a bench",
        "A ten year old on a bench",
        "A six-month-old on a blanket",
        "Someone aged 7 on a bench",
        "A 12 yr old and a 3yo",
        "Her grandchildren on a couch",
        "Pre-teens and a tomboy",
        "A little one on a rug",
        "Boy Scouts in a field",
        "Cheerleaders on a field",
        "A third grader at a desk",
        "A pre-schooler in a schoolyard",
        "A k1d and a g1rl",
        "A t\u00f3ddler and a bo\u200by",
        "An empty play-ground with a swing set",
        "A grandpa on a bench",
        "A busboy in a restaurant",
    ],
)
def test_minors(caption: str) -> None:
    assert check_safe(caption, LIMITS, frozenset()) == "mentions_minors"


@pytest.mark.parametrize(
    "caption",
    [
        "A man and his girlfriend on a bench",
        "A woman, 45 years old, on a bench",
        "A 25-year-old man and a house of 100 years",
        "A cowboy on a horse",
        "A two day old newspaper on a desk",
        "A camper van and a dune buggy",
        "A backpack on a chair",
    ],
)
def test_adults(caption: str) -> None:
    assert not may_show_minors(caption)
