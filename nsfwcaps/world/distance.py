"""Graph distance of scenes, which defines the ground truth: the closest safe counterparts.

The distance is the minimum cost of edits that turn one scene into the other. Things are matched
optimally. A matched thing with another noun costs COST_CATEGORY or COST_NOUN, plus COST_COLOUR for
another colour. An unmatched thing costs COST_THING, a differing relation between matched things
COST_RELATION, and another place COST_PLACE.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import numpy.typing as npt

from nsfwcaps.world.scene import MOST_THINGS, Scene
from nsfwcaps.world.vocabulary import ABOVE, BELOW, BESIDE, COLOURS, KIND, KINDS, PLACES

COST_THING = 1.0
COST_NOUN = 1.0
COST_CATEGORY = 0.5
COST_COLOUR = 0.25
COST_RELATION = 0.25
COST_PLACE = 0.5

Distances = npt.NDArray[np.float32]
_Codes = npt.NDArray[np.int8]

_NOUN = {kind.noun: number for number, kind in enumerate(KINDS, start=1)}
_COLOUR = {name: number for number, name in enumerate(COLOURS, start=1)}
_PLACE = {name: number for number, name in enumerate(PLACES)}
_RELATION = {BESIDE: 1, ABOVE: 2, BELOW: 3}
_INVERSE = np.array([0, 1, 3, 2], dtype=np.int8)
_SIDES = ((0, 1), (0, 2), (1, 2))


@dataclass(frozen=True, kw_only=True)
class Graphs:
    """Scenes as arrays: one slot per thing, 0 if empty."""

    nouns: npt.NDArray[np.int16]  # [n, 3]
    colours: _Codes  # [n, 3]
    relations: _Codes  # [n, 3, 3], relation of thing i to thing j
    places: _Codes  # [n]


def graphs(scenes: Sequence[Scene]) -> Graphs:
    """Encode scenes `[n]` as arrays."""
    nouns = np.zeros((len(scenes), MOST_THINGS), dtype=np.int16)
    colours = np.zeros((len(scenes), MOST_THINGS), dtype=np.int8)
    relations = np.zeros((len(scenes), MOST_THINGS, MOST_THINGS), dtype=np.int8)
    for row, scene in enumerate(scenes):
        for slot, thing in enumerate(scene.things):
            nouns[row, slot], colours[row, slot] = _NOUN[thing.noun], _COLOUR[thing.colour]
        for slot, relation in enumerate(scene.relations):
            code = _RELATION[relation]
            relations[row, slot, slot + 1] = code
            relations[row, slot + 1, slot] = _INVERSE[code]
    places = np.array([_PLACE[scene.place] for scene in scenes], dtype=np.int8)
    return Graphs(nouns=nouns, colours=colours, relations=relations, places=places)


def distances(one: Graphs, other: Graphs) -> Distances:
    """Return distances `[n, m]` between all scenes of `one` and all of `other`."""
    best = np.full((len(one.places), len(other.places)), np.inf, dtype=np.float32)
    for order in permutations(range(MOST_THINGS)):
        np.minimum(best, _cost(one, _reordered(other, list(order))), out=best)
    best += np.float32(COST_PLACE) * (one.places[:, None] != other.places[None, :])
    return best


def distance(one: Scene, other: Scene) -> float:
    """Return the distance of two scenes."""
    return float(distances(graphs([one]), graphs([other]))[0, 0])


def distance_blocks(
    one: Sequence[Scene], other: Sequence[Scene], *, block: int = 512
) -> Iterator[tuple[int, Distances]]:
    """Yield distances `[b, m]` in blocks of `one`, with each block's first row."""
    against = graphs(other)
    for start in range(0, len(one), block):
        yield start, distances(graphs(one[start : start + block]), against)


def _reordered(scenes: Graphs, order: list[int]) -> Graphs:
    return Graphs(
        nouns=scenes.nouns[:, order],
        colours=scenes.colours[:, order],
        relations=scenes.relations[:, order][:, :, order],
        places=scenes.places,
    )


def _cost(one: Graphs, other: Graphs) -> Distances:
    """Return the cost `[n, m]` of matching thing i of `one` with thing i of `other`."""
    total = np.zeros((len(one.places), len(other.places)), dtype=np.float32)
    for slot in range(MOST_THINGS):
        total += _NOUN_COST[one.nouns[:, slot, None], other.nouns[None, :, slot]]
        total += _COLOUR_COST[one.colours[:, slot, None], other.colours[None, :, slot]]
    for i, j in _SIDES:
        a, b = one.relations[:, i, j, None], other.relations[None, :, i, j]
        mine = (one.nouns[:, i] > 0) & (one.nouns[:, j] > 0)
        theirs = (other.nouns[:, i] > 0) & (other.nouns[:, j] > 0)
        total += np.float32(COST_RELATION) * ((a != b) & mine[:, None] & theirs[None, :])
    return total


def _noun_costs() -> Distances:
    categories = np.array(["", *(KIND[noun].category for noun in _NOUN)])
    same = categories[:, None] == categories[None, :]
    costs = np.where(same, COST_CATEGORY, COST_NOUN).astype(np.float32)
    costs[0, :] = costs[:, 0] = COST_THING
    np.fill_diagonal(costs, 0)
    return costs


def _colour_costs() -> Distances:
    costs = np.full((len(_COLOUR) + 1,) * 2, COST_COLOUR, dtype=np.float32)
    costs[0, :] = costs[:, 0] = 0
    np.fill_diagonal(costs, 0)
    return costs


_NOUN_COST = _noun_costs()
_COLOUR_COST = _colour_costs()
