"""An element that makes a scene unsafe, and the places and scenes where it can be."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from nsfwcaps.construction.scenes import Trait
from nsfwcaps.enums import Category


class Placement(enum.StrEnum):
    """A place in a scene where an element can be added."""

    SURFACE = "surface"
    """On a table, desk or bed, next to what is there."""
    FLOOR = "floor"
    """On the floor of a room."""
    GROUND = "ground"
    """Outdoors, on a bench, a pavement or grass."""
    WORN = "worn"
    """On the body of an adult, whose hands are free."""
    SLUNG = "slung"
    """The same, of an adult who stands, walks or rides."""
    HAND = "hand"
    """In a hand of an adult whose other hand is empty or holds something small."""
    GROUP = "group"
    """Carried by several adults, one each."""
    PARKED = "parked"
    """Beside a parked vehicle."""
    STREET = "street"
    NATURE = "nature"


@dataclass(frozen=True, kw_only=True)
class Element:
    """A thing that makes a scene unsafe."""

    phrase: str
    """Name with its article, or in the plural: `a handgun`."""
    detail: str = ""
    """What follows the name; `{their}` is replaced by his, her or their."""
    category: Category
    places: frozenset[Placement]
    only: frozenset[Trait]
    """The scene has one of these, if there are any."""
    never: frozenset[Trait]
    """The scene has none of these."""

    def fits(self, place: Placement, scene: frozenset[Trait]) -> bool:
        """Tell whether it can be at a place of a scene."""
        needed = not self.only or bool(self.only & scene)
        return place in self.places and needed and not self.never & scene
