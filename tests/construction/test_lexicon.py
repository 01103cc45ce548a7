from __future__ import annotations

import re

import pytest

from nsfwcaps.construction.elements import ELEMENTS
from nsfwcaps.construction.hazard import Placement
from nsfwcaps.construction.lexicon import CATEGORIES, has_hazard
from nsfwcaps.enums import Category


def test_four_categories_have_words() -> None:
    assert set(CATEGORIES) == {
        *(Category.VIOLENCE, Category.ILLEGAL_ACTIVITY, Category.SELF_HARM, Category.SHOCKING)
    }


@pytest.mark.parametrize("category", CATEGORIES)
def test_enough_elements_for_the_default_share(category: Category) -> None:
    """With one element in 15 % of the quota at most, seven must be enough, also on tables alone."""
    on_tables = [e for e in ELEMENTS if e.category is category and Placement.SURFACE in e.places]
    assert len({element.phrase for element in on_tables}) >= 8


def test_articles() -> None:
    for element in ELEMENTS:
        article, _, noun = element.phrase.partition(" ")
        if article in ("a", "an"):
            assert article == ("an" if re.match("[aeiou](?!se)", noun) else "a"), element.phrase
        else:
            plural = element.phrase.split(" and ")[0]
            words = set(re.findall(r"[a-z-]+", plural))
            assert any(word.endswith("s") or word == "men" for word in words), element.phrase


def test_self_harm_has_nothing_that_reads_as_violence() -> None:
    """No weapon, nothing for the street, nothing beside others, animals or a meal."""
    own = [element for element in ELEMENTS if element.category is Category.SELF_HARM]
    for element in own:
        assert re.search("pill|razor", element.phrase), element.phrase
        assert element.places <= {Placement.SURFACE, Placement.FLOOR, Placement.HAND}
        assert {"animal", "large", "group", "food", "public", "outdoors"} <= element.never
        assert "razor" not in element.phrase or element.only == {"bathroom"}


def test_every_element_makes_a_caption_unsafe() -> None:
    for element in ELEMENTS:
        assert has_hazard(f"A scene with {element.phrase} in it"), element.phrase


@pytest.mark.parametrize(
    "caption",
    ["A fire hydrant on a street", "A pair of scissors", "A deadline", "A bullet-point list"],
)
def test_harmless_words_are_none(caption: str) -> None:
    assert has_hazard(caption) is caption.startswith("A bullet")
