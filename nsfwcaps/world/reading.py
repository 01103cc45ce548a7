"""Parsing of captions back into scenes: the inverse of `captions`."""

from __future__ import annotations

import functools
import re

from nsfwcaps.world.captions import caption
from nsfwcaps.world.scene import Scene, Thing
from nsfwcaps.world.vocabulary import (
    ABOVE,
    BELOW,
    BESIDE,
    COLOURS,
    INVERSE,
    KINDS,
    PHRASINGS,
    PLACES,
    Phrasing,
)

_PLACE_OF = {place.words: name for name, place in PLACES.items()}


def read_caption(text: str) -> tuple[Scene, Phrasing] | None:
    """Parse a caption of the world to its scene and phrasing; None for any other text.

    If several phrasings give the same caption, the first is returned.

    >>> scene, phrasing = read_caption("a red fish next to a purple drum on grass")
    >>> scene.place, [thing.noun for thing in scene.things], scene.relations
    ('grass', ['fish', 'drum'], ('beside',))
    >>> read_caption("a red fish next to a shoe on grass")
    """
    for phrasing in PHRASINGS:
        found = _pattern(phrasing).fullmatch(text)
        if found is not None:
            scene = _scene(found, phrasing)
            if caption(scene, phrasing) == text:  # the patterns are looser, for example in articles
                return scene, phrasing
    return None


def _scene(found: re.Match[str], phrasing: Phrasing) -> Scene:
    parts = found.groupdict()
    numbers = [number for number in "012" if parts[f"noun{number}"]]
    relation_of = {phrasing.beside: BESIDE, ABOVE: ABOVE, BELOW: BELOW}
    relations = [relation_of[parts[f"link{number}"]] for number in numbers[1:]]
    # The sentence relates the third thing to the second; the scene stores the inverse.
    relations[1:] = [INVERSE[relation] for relation in relations[1:]]
    return Scene(
        things=tuple(
            Thing(noun=parts[f"noun{number}"], colour=parts[f"colour{number}"])
            for number in numbers
        ),
        relations=tuple(relations),
        place=_PLACE_OF[parts["place"]],
    )


@functools.cache
def _pattern(phrasing: Phrasing) -> re.Pattern[str]:
    second = f" {_link(phrasing, 1)} {_thing(1)}"
    third = f", with {_thing(2)} {_link(phrasing, 2)} it"
    things = f"{_thing(0)}(?:{second}(?:{third})?)?"
    places = "|".join(map(re.escape, _PLACE_OF))
    return re.compile(phrasing.sentence.format(things=things, place=f"(?P<place>{places})"))


def _thing(number: int) -> str:
    colours = "|".join(COLOURS)
    nouns = "|".join(re.escape(kind.noun) for kind in KINDS)
    return f"an? (?P<colour{number}>{colours}) (?P<noun{number}>{nouns})"


def _link(phrasing: Phrasing, number: int) -> str:
    return f"(?P<link{number}>{phrasing.beside}|{ABOVE}|{BELOW})"
