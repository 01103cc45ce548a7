"""The editor of the icon world: what it writes, the world can read and draw."""

from __future__ import annotations

from collections import Counter

import pytest

from nsfwcaps.construction.editors.editor import EditRequest, Proposal, Refusal
from nsfwcaps.construction.editors.world import _HAZARDS, CATEGORIES, WorldEditor
from nsfwcaps.construction.edits import edit, holds
from nsfwcaps.enums import Category, Split
from nsfwcaps.world.reading import read_caption
from nsfwcaps.world.vocabulary import HAZARDS
from nsfwcaps.world.world import World


def answers(split: Split, count: int = 120, seed: int = 0) -> list[tuple[EditRequest, object]]:
    world = World(seed=5, split=split, looseness=0.0, safe_count=count)
    requests = [
        EditRequest(f"{n:032x}", world.safe(n).caption, CATEGORIES[n % len(CATEGORIES)])
        for n in range(count)
    ]
    return list(zip(requests, WorldEditor(seed).edit(requests, lambda done: None), strict=True))


def test_every_hazard_stands_for_one_concept() -> None:
    counts = Counter(noun for nouns in _HAZARDS.values() for noun in nouns)
    assert counts == dict.fromkeys((kind.noun for kind in HAZARDS), 1)


@pytest.mark.parametrize("split", Split)
def test_one_hazard_more_and_all_else_as_it_was(split: Split) -> None:
    made = [(asked, item) for asked, item in answers(split) if isinstance(item, Proposal)]
    assert len(made) == 60  # of 120: scenes of two things have room
    for asked, item in made:
        before, after = read_caption(asked.caption), read_caption(item.caption)
        assert before is not None
        assert after is not None
        assert after[0].things[:-1] == before[0].things
        assert after[0].relations[:-1] == before[0].relations
        assert (after[0].place, after[1]) == (before[0].place, before[1])
        assert after[0].split is before[0].split is split
        assert after[0].things[-1].noun in _HAZARDS[asked.category]
        assert edit(asked.caption, item.caption).removed == 0
        assert holds(item.caption, item.element)
        assert not holds(asked.caption, item.element)
        assert split is Split.TEST or not after[0].held_out


def test_what_has_no_room_is_refused() -> None:
    made = answers(Split.TRAIN)
    full = [item for asked, item in made if "it " in asked.caption and ", with" in asked.caption]
    assert full
    assert set(full) == {Refusal("no_place")}


@pytest.mark.parametrize(
    ("caption", "reason"),
    [
        ("A vase sits on a table.", "not_of_the_world"),
        ("a red bomb on grass", "safe_side_unsafe"),
    ],
)
def test_refusals(caption: str, reason: str) -> None:
    request = EditRequest("0" * 32, caption, Category.VIOLENCE)
    assert WorldEditor(0).edit([request], lambda done: None) == [Refusal(reason)]


def test_the_seed_decides() -> None:
    assert answers(Split.TRAIN) == answers(Split.TRAIN)
    assert answers(Split.TRAIN, seed=1) != answers(Split.TRAIN)
