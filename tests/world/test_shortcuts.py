"""Nothing but the hazard tells safe from unsafe scenes: every probe is near chance.

Of 2,000 scenes, the standard error of an AUC of .5 is .013: a probe above .55 is no accident.
"""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from benchmarks.audit import shortcuts
from benchmarks.audit.shortcuts import IN_PICTURES, IN_WORDS, Scenes, auc
from nsfwcaps.enums import Split

MOST = 0.55
SPLITS = {"loose": (2.0, Split.TRAIN), "tight": (0.0, Split.TRAIN), "test": (0.0, Split.TEST)}


@pytest.fixture(scope="module", params=SPLITS)
def scenes(request: pytest.FixtureRequest) -> Scenes:
    looseness, split = SPLITS[request.param]
    return shortcuts.draw_scenes(1000, looseness=looseness, seeds=(0, 1), split=split)


@pytest.mark.parametrize("name", [*IN_WORDS, *IN_PICTURES])
def test_probe_is_near_chance(scenes: Scenes, name: str) -> None:
    features = {**IN_WORDS, **IN_PICTURES}[name](scenes.drawn)
    assert auc(features, scenes.unsafe, scenes.group) < MOST


def test_hazard_is_anywhere(scenes: Scenes) -> None:
    assert shortcuts.hazard_place(scenes) < MOST


def test_a_corner_does_not_find_the_partner(scenes: Scenes) -> None:
    """One of 1,000 safe pictures; chance among those of a place would be about .01."""
    assert shortcuts.grain_recall(scenes) < 0.03


def test_counts_and_relations_are_alike(scenes: Scenes) -> None:
    things: dict[bool, Counter[int]] = {False: Counter(), True: Counter()}
    relations: dict[bool, Counter[str]] = {False: Counter(), True: Counter()}
    for one, unsafe in zip(scenes.drawn, scenes.unsafe.tolist(), strict=True):
        things[unsafe][len(one.scene.things)] += 1
        relations[unsafe].update(one.scene.relations)
    assert things[True] == things[False] == {2: 500, 3: 500}
    for of_side in relations.values():
        shares = np.array([*of_side.values()]) / 1500
        assert np.abs(shares - 1 / 3).max() < 0.04


def test_probes_find_what_is_there(scenes: Scenes) -> None:
    """The hazard's noun, four words more, and a corner that is the partner's own."""
    assert auc(shortcuts._words(scenes.drawn), scenes.unsafe, scenes.group) > 0.98
    longer = [
        len(one.caption.split()) + 4 * unsafe
        for one, unsafe in zip(scenes.drawn, scenes.unsafe, strict=True)
    ]
    assert auc(np.array(longer, dtype=float)[:, None], scenes.unsafe, scenes.group) > 0.7
    own = Scenes(
        drawn=[*scenes.drawn[::2], *scenes.drawn[::2]],
        unsafe=np.repeat([False, True], 1000),
        group=np.tile(scenes.group[::2], 2),
    )
    # Not quite all: two pictures without any grain may have the same corner.
    assert shortcuts.grain_recall(own) > 0.99
