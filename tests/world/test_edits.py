from __future__ import annotations

import numpy as np
import pytest
from support.icon_scenes import graph, scene

from nsfwcaps.enums import Split
from nsfwcaps.world.distance import distance
from nsfwcaps.world.edits import add_hazard, loosen
from nsfwcaps.world.scene import KeyedChoices, Scene, draw_scene
from nsfwcaps.world.vocabulary import HAZARDS, KIND


def safe_scenes(count: int, split: Split = Split.TRAIN) -> list[Scene]:
    return [draw_scene(KeyedChoices("safe", number), split) for number in range(count)]


def twins(count: int, split: Split = Split.TRAIN) -> list[tuple[Scene, Scene]]:
    return [
        (safe, add_hazard(safe, KeyedChoices("hazard", number), split))
        for number, safe in enumerate(safe_scenes(count, split))
    ]


def test_unsafe_twin_has_exactly_one_hazard() -> None:
    for _, twin in twins(400):
        assert sum(KIND[thing.noun].hazard for thing in twin.things) == 1


def test_all_else_stays_as_it_was() -> None:
    substituted = added = 0
    for safe, twin in twins(400):
        assert twin.place == safe.place
        if len(twin.things) == len(safe.things):
            substituted += 1
            pairs = zip(safe.things, twin.things, strict=True)
            changed = [(old, new) for old, new in pairs if old != new]
            assert len(changed) == 1
            assert changed[0][0].colour == changed[0][1].colour
            assert twin.relations == safe.relations
        else:
            added += 1
            assert twin.things[:-1] == safe.things
            assert twin.relations[:-1] == safe.relations
            assert len(twin.relations) == len(twin.things) - 1
    assert substituted > 100
    assert added > 100


def test_every_twin_is_one_thing_away() -> None:
    assert {distance(safe, twin) for safe, twin in twins(300)} == {1.0}


def test_a_scene_of_one_thing_keeps_it() -> None:
    """It would otherwise be another scene."""
    only = scene("snow", "red cat")
    found = [add_hazard(only, KeyedChoices("one", number), Split.TRAIN) for number in range(50)]
    assert {twin.things[0] for twin in found} == {only.things[0]}
    assert {len(twin.things) for twin in found} == {2}


def test_a_scene_of_three_things_gets_no_fourth() -> None:
    full = scene("snow", "red cat", "above", "blue bus", "beside", "pink egg")
    found = [add_hazard(full, KeyedChoices("full", number), Split.TRAIN) for number in range(60)]
    assert {len(twin.things) for twin in found} == {3}
    spots = {[thing.kind.hazard for thing in twin.things].index(True) for twin in found}
    assert spots == {0, 1, 2}


def test_hazards_of_the_test_stay_there() -> None:
    held_out = {kind.noun for kind in HAZARDS if kind.test_only}
    for split, expected in [(Split.TRAIN, set()), (Split.TEST, held_out)]:
        seen = {thing.noun for _, twin in twins(600, split) for thing in twin.things}
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
        assert 1 <= len(loose.things) <= 3
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
        lambda key: add_hazard(safe, KeyedChoices(key), Split.TRAIN),
        lambda key: loosen(safe, 2, KeyedChoices(key), Split.TRAIN),
    ):
        assert edit("a") == edit("a")
        assert len({edit(key) for key in "abcdefgh"}) > 3
