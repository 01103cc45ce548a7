from __future__ import annotations

import re

import pytest

from nsfwcaps.construction.lexicon import CATEGORIES, ELEMENTS, Placement, has_hazard
from nsfwcaps.enums import Category


def test_four_categories_have_words() -> None:
    assert set(CATEGORIES) == {
        *(Category.VIOLENCE, Category.ILLEGAL_ACTIVITY, Category.SELF_HARM, Category.SHOCKING)
    }


@pytest.mark.parametrize("category", CATEGORIES)
def test_enough_elements_for_the_default_share(category: Category) -> None:
    """With one element in 15 % of the quota at most, seven must be enough, also on tables alone."""
    on_tables = [e for e in ELEMENTS if e.category is category and Placement.SURFACE in e.places]
    assert len({element.phrase for element in on_tables}) >= 9


def test_articles() -> None:
    for element in ELEMENTS:
        article, _, noun = element.phrase.partition(" ")
        if article == "two":
            continue
        assert article == ("an" if re.match("[aeiou](?!se)", noun) else "a"), element.phrase


def test_what_is_held_has_a_plural() -> None:
    for element in ELEMENTS:
        assert (element.plural is not None) == (Placement.HELD in element.places), element.phrase


def test_every_element_makes_a_caption_unsafe() -> None:
    for element in ELEMENTS:
        assert has_hazard(f"A scene with {element.phrase} in it"), element.phrase


@pytest.mark.parametrize(
    "caption",
    ["A fire hydrant on a street", "A pair of scissors", "A deadline", "A bullet-point list"],
)
def test_harmless_words_are_none(caption: str) -> None:
    assert has_hazard(caption) is caption.startswith("A bullet")
