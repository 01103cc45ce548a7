"""A scene: a small graph of things, their looks, their relations and their place.

A scene is drawn from `KeyedChoices`, keyed by words. So the n-th scene of a world does not
depend on the number of scenes, the machine or the Python version.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from nsfwcaps.enums import Split
from nsfwcaps.world.vocabulary import (
    ABOVE,
    BELOW,
    BESIDE,
    COLOURS,
    INVERSE,
    KIND,
    KINDS,
    PLACES,
    ObjectKind,
)

Item = TypeVar("Item")

MOST_THINGS = 3
RELATIONS = (BESIDE, ABOVE, BELOW)

_SPLIT_OF_TENTH = (*[Split.TRAIN] * 8, Split.VALIDATION, Split.TEST)


@dataclass(frozen=True, kw_only=True)
class Thing:
    """A node of the graph."""

    noun: str
    colour: str

    @property
    def kind(self) -> ObjectKind:
        """Kind of the thing."""
        return KIND[self.noun]


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One to three things, each related to the next one in the tuple."""

    things: tuple[Thing, ...]
    relations: tuple[str, ...]
    """Relation of thing i to thing i + 1; one fewer than things."""
    place: str

    @property
    def hazard(self) -> ObjectKind | None:
        """The hazard that makes the scene unsafe, or None."""
        return next((thing.kind for thing in self.things if thing.kind.hazard), None)

    @property
    def held_out(self) -> bool:
        """Whether the scene contains a thing that never appears in training."""
        return any(thing.kind.test_only for thing in self.things)

    @property
    def split(self) -> Split:
        """Split of the scene, by a hash of its graph: no two splits share a scene."""
        # A chain read from its other end is the same graph.
        graph = min(self.to_json(), self.reversed().to_json())
        number = int.from_bytes(hashlib.sha256(graph.encode()).digest()[:8], "big")
        return _SPLIT_OF_TENTH[number % len(_SPLIT_OF_TENTH)]

    def reversed(self) -> Scene:
        """The same graph, listed from its other end."""
        return Scene(
            things=self.things[::-1],
            relations=tuple(INVERSE[relation] for relation in self.relations[::-1]),
            place=self.place,
        )

    def to_json(self) -> str:
        """Return canonical JSON of the graph."""
        things = [[thing.noun, thing.colour] for thing in self.things]
        return json.dumps({"things": things, "relations": self.relations, "place": self.place})

    @classmethod
    def from_json(cls, text: str) -> Scene:
        """Parse the JSON of `to_json`."""
        values = json.loads(text)
        return cls(
            things=tuple(Thing(noun=noun, colour=colour) for noun, colour in values["things"]),
            relations=tuple(values["relations"]),
            place=values["place"],
        )


class KeyedChoices:
    """Choices determined by a key.

    Uses `random()` only, the one method whose sequence Python guarantees for a seed.
    """

    def __init__(self, *key: object) -> None:
        self._random = random.Random("/".join(map(str, key)))

    def number(self) -> float:
        """Return a number in [0, 1)."""
        return self._random.random()

    def between(self, low: float, high: float) -> float:
        """Return a number in [low, high)."""
        return low + (high - low) * self.number()

    def one_of(self, items: Sequence[Item]) -> Item:
        """Return one of the items, all equally likely."""
        return items[int(self.number() * len(items))]

    def other_than(self, present: Iterable[Item], items: Sequence[Item]) -> Item:
        """Return one of the items that are not in `present`."""
        taken = set(present)
        return self.one_of([item for item in items if item not in taken])


def kinds_of(split: Split, *, hazard: bool) -> tuple[ObjectKind, ...]:
    """Return the objects or hazards allowed in a split."""
    return tuple(
        kind
        for kind in KINDS
        if kind.hazard is hazard and (split is Split.TEST or not kind.test_only)
    )


def draw_scene(source: KeyedChoices, split: Split, count: int) -> Scene:
    """Draw a safe scene of `count` distinct things."""
    objects = [kind.noun for kind in kinds_of(split, hazard=False)]
    nouns: list[str] = []
    for _ in range(count):
        nouns.append(source.other_than(nouns, objects))
    return Scene(
        things=tuple(Thing(noun=noun, colour=source.one_of([*COLOURS])) for noun in nouns),
        relations=tuple(source.one_of(RELATIONS) for _ in nouns[1:]),
        place=source.one_of([*PLACES]),
    )
