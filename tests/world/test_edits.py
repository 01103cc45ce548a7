from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from support.icon_scenes import graph

from nsfwcaps.enums import Split
from nsfwcaps.world.distance import distance
from nsfwcaps.world.edits import HazardEdit, loosen, replaceable, set_hazard
from nsfwcaps.world.scene import KeyedChoices, Scene, draw_scene
from nsfwcaps.world.vocabulary import HAZARDS, KIND


def safe_scenes(count: int, split: Split = Split.TRAIN) -> list[Scene]:
    """Pairs and trios of things in turn."""
    return [
        draw_scene(KeyedChoices("safe", number), split, 2 + number % 2) for number in range(count)
    ]


def twins(count: int, edit: HazardEdit, split: Split = Split.TRAIN) -> list[tuple[Scene, Scene]]:
    """Safe scenes with room for the edit, each with its twin."""
    room = [
        one
        for one in safe_scenes(count, split)
        if edit is HazardEdit.REPLACED or len(one.things) < 3
    ]
    return [
        (safe, set_hazard(safe, edit, KeyedChoices("hazard", number), split))
        for number, safe in enumerate(room)
    ]


@pytest.mark.parametrize("edit", HazardEdit)
def test_unsafe_twin_has_exactly_one_hazard(edit: HazardEdit) -> None:
    for safe, twin in twins(400, edit):
        assert sum(KIND[thing.noun].hazard for thing in twin.things) == 1
        assert twin.place == safe.place


def test_replaced_thing_keeps_its_colour_and_all_else() -> None:
    for safe, twin in twins(400, HazardEdit.REPLACED):
        pairs = zip(safe.things, twin.things, strict=True)
        ((old, new),) = [(old, new) for old, new in pairs if old != new]
        assert old.colour == new.colour
        assert twin.relations == safe.relations


def test_added_hazard_leaves_the_others_as_they_were() -> None:
    first = 0
    for safe, twin in twins(400, HazardEdit.ADDED):
        assert len(twin.relations) == len(twin.things) - 1
        if twin.things[0].kind.hazard:
            first += 1
            assert (twin.things[1:], twin.relations[1:]) == (safe.things, safe.relations)
        else:
            assert (twin.things[:-1], twin.relations[:-1]) == (safe.things, safe.relations)
    assert 70 < first < 130


@pytest.mark.parametrize("edit", HazardEdit)
def test_every_twin_is_one_thing_away(edit: HazardEdit) -> None:
    assert {distance(safe, twin) for safe, twin in twins(300, edit)} == {1.0}


def test_place_of_a_replaced_thing() -> None:
    """Evenly in a pair; four of six in the middle of a trio, as none is added there."""
    places = {2: Counter[int](), 3: Counter[int]()}
    for _, twin in twins(3000, HazardEdit.REPLACED):
        spot = [thing.kind.hazard for thing in twin.things].index(True)
        places[len(twin.things)][spot] += 1
    shares = [places[count][spot] / 1500 for count, spot in [(2, 0), (3, 0), (3, 1), (3, 2)]]
    assert shares == pytest.approx([1 / 2, 1 / 6, 2 / 3, 1 / 6], abs=0.04)


def test_a_scene_that_no_hazard_of_the_split_can_enter() -> None:
    """One by one: there are 46 twins of a pair of things, and few in a small split."""
    found = []
    for safe in safe_scenes(600):
        hazards = [kind.noun for kind in HAZARDS if not kind.test_only]
        splits = {
            replace(
                safe,
                things=tuple(
                    replace(thing, noun=noun) if number == spot else thing
                    for number, thing in enumerate(safe.things)
                ),
            ).split
            for spot in range(len(safe.things))
            for noun in hazards
        }
        found.append(Split.VALIDATION in splits)
        assert replaceable(safe, Split.VALIDATION) == found[-1]
    assert 0 < found.count(False) < 20


def test_hazards_of_the_test_stay_there() -> None:
    held_out = {kind.noun for kind in HAZARDS if kind.test_only}
    for split, expected in [(Split.TRAIN, set()), (Split.TEST, held_out)]:
        seen = {
            thing.noun
            for _, twin in twins(1000, HazardEdit.REPLACED, split)
            for thing in twin.things
        }
        assert seen & held_out == expected


def test_looseness_zero_changes_nothing() -> None:
    for number, safe in enumerate(safe_scenes(50)):
        assert loosen(safe, 0, KeyedChoices("loose", number), Split.TRAIN) == safe


@pytest.mark.parametrize(
    ("looseness", "mean_error", "share_exact"),
    [(0.25, 0.02, 0.9), (0.5, 0.03, 0.9), (1.0, 0.02, 0.95), (2.0, 0.05, 0.8), (3.0, 0.25, 0.4)],
)
def test_loosened_scene_is_as_far_as_asked(
    looseness: float, mean_error: float, share_exact: float
) -> None:
    apart = np.array(
        [
            distance(safe, loosen(safe, looseness, KeyedChoices("loose", number), Split.TRAIN))
            for number, safe in enumerate(safe_scenes(150))
        ]
    )
    assert abs(apart.mean() - looseness) <= mean_error
    assert (apart == looseness).mean() >= share_exact


def test_loosened_scenes_are_whole_and_safe() -> None:
    for number, safe in enumerate(safe_scenes(200)):
        loose = loosen(safe, 2, KeyedChoices("loose", number), Split.TRAIN)
        assert len(loose.things) == len(safe.things)
        assert len(loose.relations) == len(loose.things) - 1
        assert len({thing.noun for thing in loose.things}) == len(loose.things)
        assert loose.hazard is None
        assert not loose.held_out
        assert graph(loose) != graph(safe)


def test_loosening_may_use_what_is_held_out_in_the_test() -> None:
    loose = [
        loosen(safe, 2, KeyedChoices("loose", number), Split.TEST)
        for number, safe in enumerate(safe_scenes(60))
    ]
    assert any(one.held_out for one in loose)


def test_edits_follow_from_the_source() -> None:
    safe = safe_scenes(1)[0]
    for edit in (
        lambda key: set_hazard(safe, HazardEdit.ADDED, KeyedChoices(key), Split.TRAIN),
        lambda key: loosen(safe, 2, KeyedChoices(key), Split.TRAIN),
    ):
        assert edit("a") == edit("a")
        assert len({edit(key) for key in "abcdefgh"}) > 3
