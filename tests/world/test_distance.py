"""The distance against hand-worked values, and against all matchings tried one by one."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
import pytest
from support.icon_scenes import graph, random_scenes, scene

from nsfwcaps.world.distance import distance, distance_blocks, distances, graphs
from nsfwcaps.world.scene import Scene
from nsfwcaps.world.vocabulary import KIND

INVERSE = {"beside": "beside", "above": "below", "below": "above"}


def brute_force(one: Scene, other: Scene) -> float:
    """Least cost over every way to match some of the things, in plain Python."""
    least = min(
        cost(one, other, [*zip(mine, theirs, strict=True)])
        for size in range(min(len(one.things), len(other.things)) + 1)
        for mine in combinations(range(len(one.things)), size)
        for theirs in permutations(range(len(other.things)), size)
    )
    return least + 0.5 * (one.place != other.place)


def cost(one: Scene, other: Scene, matched: list[tuple[int, int]]) -> float:
    total = 1.0 * (len(one.things) + len(other.things) - 2 * len(matched))
    for mine, theirs in matched:
        a, b = one.things[mine], other.things[theirs]
        if a.noun != b.noun:
            total += 0.5 if KIND[a.noun].category == KIND[b.noun].category else 1.0
        total += 0.25 * (a.colour != b.colour)
    for (i, k), (j, m) in combinations(matched, 2):
        total += 0.25 * (relation(one, i, j) != relation(other, k, m))
    return total


def relation(of: Scene, i: int, j: int) -> str | None:
    """How thing i stands to thing j, if they are neighbours in the chain."""
    if j == i + 1:
        return of.relations[i]
    return INVERSE[of.relations[j]] if i == j + 1 else None


CAT = ("red cat",)
PAIR = ("red cat", "above", "blue bus")
TRIO = ("red cat", "above", "blue bus", "beside", "pink egg")


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        pytest.param(CAT, ("blue cat",), 0.25, id="colour"),
        pytest.param(CAT, ("red dog",), 0.5, id="noun of the category"),
        pytest.param(CAT, ("red bus",), 1.0, id="noun"),
        pytest.param(CAT, ("blue dog",), 0.75, id="noun of the category, and colour"),
        pytest.param(CAT, ("blue bus",), 1.25, id="noun and colour"),
        pytest.param(CAT, ("red gun",), 1.0, id="hazard for an object"),
        pytest.param(CAT, PAIR, 1.0, id="thing more"),
        pytest.param(CAT, TRIO, 2.0, id="two things more"),
        pytest.param(PAIR, ("red cat", "below", "blue bus"), 0.25, id="relation"),
        pytest.param(PAIR, ("blue bus", "below", "red cat"), 0.0, id="named from the other end"),
        pytest.param(PAIR, ("blue bus", "above", "red cat"), 0.25, id="upside down"),
        # Cat for cat and bus for bus, the relation turned: 0.25. Colours swapped: twice 0.25.
        pytest.param(PAIR, ("blue cat", "above", "red bus"), 0.5, id="colours swapped"),
        # An egg for the cat (1.0 and 0.25); the bus has no match, and its relation costs nothing.
        pytest.param(PAIR, ("pink egg",), 2.25, id="other thing and one fewer"),
        # Cat beside bus beside egg, or cat beside egg beside bus: two of three sides differ in
        # whether there is a relation at all, the third keeps its own.
        pytest.param(
            ("red cat", "beside", "blue bus", "beside", "pink egg"),
            ("red cat", "beside", "pink egg", "beside", "blue bus"),
            0.5,
            id="other order",
        ),
        # Dog for cat (0.5), orange for red (0.25), above for beside (0.25).
        pytest.param(
            TRIO, ("orange dog", "above", "blue bus", "above", "pink egg"), 1.0, id="three edits"
        ),
    ],
)
def test_by_hand(one: tuple[str, ...], other: tuple[str, ...], expected: float) -> None:
    assert distance(scene("snow", *one), scene("snow", *other)) == expected
    assert distance(scene("snow", *one), scene("grass", *other)) == expected + 0.5


@pytest.mark.parametrize("few", [True, False])
def test_brute_force_agrees(few: bool) -> None:
    one = [*random_scenes(40, seed=1, few=few)]
    other = [*random_scenes(40, seed=2, few=few)]
    expected = [[brute_force(a, b) for b in other] for a in one]
    # Every cost is a quarter or a multiple of it, so sums are exact.
    np.testing.assert_array_equal(distances(graphs(one), graphs(other)), expected)
    assert len(np.unique(expected)) > 8


def test_nothing_is_nearer_than_the_scene_itself() -> None:
    scenes = [*random_scenes(150, seed=3, few=True)]
    apart = distances(graphs(scenes), graphs(scenes))
    np.testing.assert_array_equal(apart, apart.T)
    np.testing.assert_array_equal(np.diag(apart), 0)
    assert (apart >= 0).all()


def test_chain_read_from_its_other_end_is_the_same_scene() -> None:
    scenes = [*random_scenes(200, seed=5)]
    turned = [one.reversed() for one in scenes]
    apart = distances(graphs(scenes), graphs(turned))
    np.testing.assert_array_equal(np.diag(apart), 0)


def test_only_the_same_graph_is_at_no_distance() -> None:
    scenes = [
        one
        for one in random_scenes(400, seed=6, few=True)
        if len({(t.noun, t.colour) for t in one.things}) == len(one.things)
    ]
    apart = distances(graphs(scenes), graphs(scenes))
    same = np.array([[graph(a) == graph(b) for b in scenes] for a in scenes])
    np.testing.assert_array_equal(apart == 0, same)
    assert same.sum() > len(scenes)


@pytest.mark.parametrize("block", [1, 7, 30, 1000])
def test_blocks_are_the_whole(block: int) -> None:
    one, other = [*random_scenes(30, seed=7)], [*random_scenes(20, seed=8)]
    whole = distances(graphs(one), graphs(other))
    blocks = [*distance_blocks(one, other, block=block)]
    assert [start for start, _ in blocks] == [*range(0, 30, block)]
    np.testing.assert_array_equal(np.concatenate([rows for _, rows in blocks]), whole)


def test_no_scenes() -> None:
    some = graphs([*random_scenes(3, seed=9)])
    assert distances(graphs([]), some).shape == (0, 3)
    assert [*distance_blocks([], [])] == []
