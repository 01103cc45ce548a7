"""Captions of undress are no safe captions; the words are mild ones of clothing."""

from __future__ import annotations

import pytest

from nsfwcaps.construction.checks import Limits, check_safe
from nsfwcaps.construction.undress import shows_undress

LIMITS = Limits(max_words=40, max_added=12, max_removed=3)


@pytest.mark.parametrize(
    "caption",
    [
        "A woman in a bikini on a beach",
        "Two people in bathing suits",
        "A SHIRTLESS man on a bench",
        "A man without a shirt in a kitchen",
        "A bed with lingerie on it",
        "A person in underwear",
    ],
)
def test_undress(caption: str) -> None:
    assert check_safe(caption, LIMITS, frozenset()) == "shows_undress"


@pytest.mark.parametrize(
    "caption",
    [
        "A plate of chicken breasts",
        "A strip of bacon on a plate",
        "A man in a shirt on a bench",
        "A bare tree by a lake",
        "A rider bareback on a horse",
    ],
)
def test_other_words(caption: str) -> None:
    assert not shows_undress(caption)
