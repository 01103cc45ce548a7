"""Random scenes, and a scene's graph in a form that does not say which end comes first."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import product

from nsfwcaps.world.scene import RELATIONS, Scene, Thing
from nsfwcaps.world.vocabulary import COLOURS, HAZARDS, OBJECTS, PLACES

CHAINS = tuple(chain for length in range(3) for chain in product(RELATIONS, repeat=length))
"""Every row of relations that one, two or three things can stand in."""


def thing(words: str) -> Thing:
    """Thing of its words: a colour and a noun."""
    colour, _, noun = words.partition(" ")
    return Thing(noun=noun, colour=colour)


def scene(place: str, *chain: str) -> Scene:
    """Scene of things and relations in turn: `scene("snow", "red cat", "above", "blue bus")`."""
    return Scene(things=tuple(map(thing, chain[::2])), relations=chain[1::2], place=place)


def random_scenes(count: int, *, seed: int, few: bool = False) -> Iterator[Scene]:
    """Scenes of any things, also of the same one twice; of `few` kinds, so that many are alike."""
    numbers = random.Random(seed)
    nouns = ["cat", "dog", "bus", "gun"] if few else [k.noun for k in (*OBJECTS, *HAZARDS)]
    colours, places = [*COLOURS][: 2 if few else None], [*PLACES][: 2 if few else None]
    for _ in range(count):
        chain = numbers.choice(CHAINS)
        yield Scene(
            things=tuple(
                Thing(noun=numbers.choice(nouns), colour=numbers.choice(colours))
                for _ in range(len(chain) + 1)
            ),
            relations=chain,
            place=numbers.choice(places),
        )


def graph(of: Scene) -> object:
    """The graph itself: its nodes, and its edges as they are seen from either end."""
    inverse = {"beside": "beside", "above": "below", "below": "above"}
    edges = set()
    for one, relation, other in zip(of.things, of.relations, of.things[1:], strict=False):
        edges |= {(one, relation, other), (other, inverse[relation], one)}
    nodes = sorted((item.noun, item.colour) for item in of.things)
    return of.place, tuple(nodes), frozenset(edges)
