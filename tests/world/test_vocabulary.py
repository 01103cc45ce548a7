from __future__ import annotations

from collections import Counter

import pytest

from nsfwcaps.world import vocabulary
from nsfwcaps.world.vocabulary import (
    COLOURS,
    HAZARDS,
    INVERSE,
    KIND,
    KINDS,
    OBJECTS,
    PHRASINGS,
    PLACES,
    ObjectKind,
)


def test_sizes() -> None:
    assert 80 <= len(OBJECTS) <= 110
    assert 22 <= len(HAZARDS) <= 32
    assert len(COLOURS) == 10
    assert len(PLACES) >= 8
    assert len(PHRASINGS) >= 6


@pytest.mark.parametrize("attribute", ["noun", "icon"])
def test_no_two_kinds_share_a_noun_or_an_icon(attribute: str) -> None:
    counts = Counter(getattr(kind, attribute) for kind in KINDS)
    assert [name for name, count in counts.items() if count > 1] == []


def test_kinds_are_found_by_their_noun() -> None:
    assert [KIND[kind.noun] for kind in KINDS] == [*KINDS]


def test_objects_are_safe_and_hazards_are_not() -> None:
    assert not any(kind.hazard for kind in OBJECTS)
    assert all(kind.hazard for kind in HAZARDS)
    assert not {kind.category for kind in OBJECTS} & {kind.category for kind in HAZARDS}


@pytest.mark.parametrize("kinds", [OBJECTS, HAZARDS], ids=["objects", "hazards"])
def test_some_of_each_are_for_the_test_only(kinds: tuple[ObjectKind, ...]) -> None:
    held_out = sum(kind.test_only for kind in kinds)
    assert 0.1 * len(kinds) <= held_out <= 0.4 * len(kinds)


def test_every_hazard_category_that_is_tested_is_trained_on() -> None:
    """What is new in the test is a hazard, not a kind of hazard."""
    trained = {kind.category for kind in HAZARDS if not kind.test_only}
    assert {kind.category for kind in HAZARDS} == trained


def test_some_phrasings_are_for_the_test_only() -> None:
    assert {phrasing.test_only for phrasing in PHRASINGS} == {True, False}
    assert len(set(PHRASINGS)) == len(PHRASINGS)


def test_phrasings_name_things_and_place_once() -> None:
    for phrasing in PHRASINGS:
        assert phrasing.sentence.format(things="T", place="P").count("T") == 1
        assert phrasing.sentence.format(things="T", place="P").count("P") == 1


def test_words_are_plain() -> None:
    """Nothing that ingest would change, or that would be left over from the notation."""
    for words in (*KIND, *COLOURS, *(place.words for place in PLACES.values())):
        assert words == " ".join(words.split())
        assert words.isascii()
        assert not set(words) & set("*=,{}")


def test_colours_and_places_are_told_apart() -> None:
    assert len(set(COLOURS.values())) == len(COLOURS)
    assert len({(place.above, place.below) for place in PLACES.values()}) == len(PLACES)
    assert len({place.words for place in PLACES.values()}) == len(PLACES)
    for place in PLACES.values():
        assert 0 < place.horizon < 1


def test_inverse_of_the_inverse() -> None:
    for relation, inverse in INVERSE.items():
        assert INVERSE[inverse] == relation
    assert INVERSE[vocabulary.ABOVE] == vocabulary.BELOW


def test_notation() -> None:
    kinds = vocabulary._kinds("toy", "drum, *futbol=soccer ball", hazard=True)
    assert kinds == (
        ObjectKind(noun="drum", icon="drum", category="toy", hazard=True),
        ObjectKind(noun="soccer ball", icon="futbol", category="toy", hazard=True, test_only=True),
    )
