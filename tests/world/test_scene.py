from __future__ import annotations

import json
from collections import Counter

import pytest
from support.icon_scenes import graph, random_scenes, scene

from nsfwcaps.enums import Split
from nsfwcaps.world.scene import RELATIONS, KeyedChoices, Scene, draw_scene, kinds_of
from nsfwcaps.world.vocabulary import COLOURS, HAZARDS, OBJECTS, PLACES


def drawn(count: int, split: Split = Split.TEST) -> list[Scene]:
    return [
        draw_scene(KeyedChoices("scene", number), split, 1 + number % 3) for number in range(count)
    ]


def test_source_follows_from_its_key() -> None:
    one, same, other = KeyedChoices("a", 1), KeyedChoices("a", 1), KeyedChoices("a", 2)
    numbers = [one.number() for _ in range(5)]
    assert numbers == [same.number() for _ in range(5)]
    assert numbers != [other.number() for _ in range(5)]


def test_source_has_not_changed() -> None:
    """The numbers that every world in the field was drawn with."""
    source = KeyedChoices("world", 1, 0, "train", "safe", 0, 0)
    assert [round(source.number(), 6) for _ in range(3)] == [0.59724, 0.988076, 0.582241]


def test_choices() -> None:
    source = KeyedChoices("choices")
    chosen = Counter(source.one_of("abc") for _ in range(600))
    assert set(chosen) == set("abc")
    assert min(chosen.values()) > 150
    assert {source.other_than("a", "abc") for _ in range(50)} == {"b", "c"}
    between = [source.between(-2, 3) for _ in range(300)]
    assert min(between) < -1.8
    assert max(between) > 2.8
    assert all(-2 <= number < 3 for number in between)


def test_hazard() -> None:
    safe, unsafe = scene("snow", "red cat"), scene("snow", "red cat", "above", "blue gun")
    assert safe.hazard is None
    assert unsafe.hazard is not None
    assert (unsafe.hazard.noun, unsafe.hazard.category) == ("gun", "weapon")


@pytest.mark.parametrize(
    ("words", "held_out"),
    [("red cat", False), ("red frog", True), ("red gun", False), ("red bong", True)],
)
def test_held_out(words: str, held_out: bool) -> None:
    assert scene("snow", "blue bus", "beside", words).held_out is held_out


def test_reversed_chain() -> None:
    forth = scene("snow", "red cat", "above", "blue bus", "beside", "pink egg")
    back = scene("snow", "pink egg", "beside", "blue bus", "below", "red cat")
    assert forth.reversed() == back
    assert back.reversed() == forth
    assert scene("snow", "red cat").reversed() == scene("snow", "red cat")


def test_json_holds_the_graph() -> None:
    one = scene("snow", "red cat", "above", "blue hot dog")
    assert json.loads(one.to_json()) == {
        "things": [["cat", "red"], ["hot dog", "blue"]],
        "relations": ["above"],
        "place": "snow",
    }
    for other in random_scenes(50, seed=1):
        assert Scene.from_json(other.to_json()) == other


def test_split_is_of_the_graph_whichever_end_is_read_first() -> None:
    scenes = [*random_scenes(2000, seed=2)]
    assert any(one.to_json() != one.reversed().to_json() for one in scenes)
    assert all(one.split is one.reversed().split for one in scenes)


def test_split_of_known_scenes() -> None:
    """A scene never moves to another split."""
    validation = [place for place in PLACES if scene(place, "red cat").split is Split.VALIDATION]
    assert validation == ["sea"]


def test_shares_of_the_splits() -> None:
    counts = Counter(one.split for one in random_scenes(4000, seed=3))
    assert counts[Split.TRAIN] / 4000 == pytest.approx(0.8, abs=0.025)
    assert counts[Split.VALIDATION] / 4000 == pytest.approx(0.1, abs=0.02)
    assert counts[Split.TEST] / 4000 == pytest.approx(0.1, abs=0.02)


@pytest.mark.parametrize("split", [Split.TRAIN, Split.VALIDATION])
def test_kinds_of_a_split_that_is_not_the_test(split: Split) -> None:
    assert set(kinds_of(split, hazard=False)) == {k for k in OBJECTS if not k.test_only}
    assert set(kinds_of(split, hazard=True)) == {k for k in HAZARDS if not k.test_only}


def test_kinds_of_the_test() -> None:
    assert kinds_of(Split.TEST, hazard=False) == OBJECTS
    assert kinds_of(Split.TEST, hazard=True) == HAZARDS


def test_drawn_scenes_are_safe_and_of_different_things() -> None:
    for number, one in enumerate(drawn(500)):
        assert one.hazard is None
        assert len(one.things) == 1 + number % 3
        assert len({thing.noun for thing in one.things}) == len(one.things)
        assert len(one.relations) == len(one.things) - 1


def test_drawn_scenes_use_the_whole_vocabulary() -> None:
    scenes = drawn(2000)
    things = [thing for one in scenes for thing in one.things]
    assert {thing.noun for thing in things} == {kind.noun for kind in OBJECTS}
    assert {thing.colour for thing in things} == set(COLOURS)
    assert {one.place for one in scenes} == set(PLACES)
    assert {relation for one in scenes for relation in one.relations} == set(RELATIONS)
    relations = Counter(relation for one in scenes for relation in one.relations)
    assert [count / 2000 for count in relations.values()] == pytest.approx([1 / 3] * 3, abs=0.04)


def test_graph_of_the_tests_tells_scenes_apart() -> None:
    """The check on which the tests of the splits stand."""
    one = scene("snow", "red cat", "above", "blue bus")
    assert graph(one) == graph(one.reversed())
    assert graph(one) != graph(scene("snow", "red cat", "below", "blue bus"))
    assert graph(one) != graph(scene("snow", "blue cat", "above", "red bus"))
