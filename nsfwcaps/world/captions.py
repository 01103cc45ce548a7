"""Captions of scenes."""

from __future__ import annotations

from nsfwcaps.enums import Split
from nsfwcaps.world.scene import KeyedChoices, Scene, Thing
from nsfwcaps.world.vocabulary import BESIDE, PHRASINGS, PLACES, Phrasing


def draw_phrasing(source: KeyedChoices, split: Split) -> Phrasing:
    """Draw one of the phrasings allowed in a split."""
    return source.one_of([p for p in PHRASINGS if split is Split.TEST or not p.test_only])


def caption(scene: Scene, phrasing: Phrasing) -> str:
    """Describe the scene in a sentence.

    >>> from nsfwcaps.world.scene import Scene, Thing
    >>> fish, drum = Thing(noun="fish", colour="red"), Thing(noun="drum", colour="purple")
    >>> scene = Scene(things=(fish, drum), relations=("beside",), place="grass")
    >>> caption(scene, PHRASINGS[0])
    'a red fish next to a purple drum on grass'
    """
    words = phrasing.beside
    parts = [_noun_phrase(scene.things[0])]
    for thing, relation in zip(scene.things[1:], scene.relations, strict=True):
        # Relate the third thing to the second as "it", or the sentence would be ambiguous.
        link = words if relation == BESIDE else relation
        parts.append(f" {link} {_noun_phrase(thing)}" if len(parts) == 1 else _last(thing, link))
    place = PLACES[scene.place].words
    return phrasing.sentence.format(things="".join(parts), place=place)


def _last(thing: Thing, link: str) -> str:
    inverse = {"above": "below", "below": "above"}.get(link, link)
    return f", with {_noun_phrase(thing)} {inverse} it"


def _noun_phrase(thing: Thing) -> str:
    article = "an" if thing.colour[0] in "aeiou" else "a"
    return f"{article} {thing.colour} {thing.noun}"
