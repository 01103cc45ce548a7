"""Scene edits: the hazard that makes a scene unsafe, and steps to looser neighbours.

No edit may say more than its hazard does. The place of the hazard among the things, its colour and
its relation are drawn as those of any other thing, and loosening changes no number of things.
"""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum

import numpy as np

from nsfwcaps.enums import Split
from nsfwcaps.world.distance import distances, graphs
from nsfwcaps.world.scene import MOST_THINGS, RELATIONS, KeyedChoices, Scene, Thing, kinds_of
from nsfwcaps.world.vocabulary import COLOURS, PLACES

_WALKS, _STEPS = 8, 12
_MIDDLE = 2 / 3
"""Share of replaced middle things in scenes of three.

As many scenes of three have an added hazard, which is first or last: a third is at each place.
"""


class HazardEdit(StrEnum):
    """How the hazard came into a scene."""

    ADDED = "added"
    REPLACED = "replaced"


def set_hazard(scene: Scene, edit: HazardEdit, source: KeyedChoices, split: Split) -> Scene:
    """Return the scene's unsafe twin: one hazard added, or one thing replaced by a hazard.

    This is a minimal edit: nothing else changes. An added hazard comes before the first thing or
    after the last one, as one in between would part two neighbours.
    """
    noun = source.one_of(kinds_of(split, hazard=True)).noun
    if edit is HazardEdit.REPLACED:
        return _replaced(scene, _spot(len(scene.things), source), noun)
    hazard = Thing(noun=noun, colour=source.one_of([*COLOURS]))
    relation = source.one_of(RELATIONS)
    if source.number() < 0.5:
        return replace(
            scene, things=(hazard, *scene.things), relations=(relation, *scene.relations)
        )
    return replace(scene, things=(*scene.things, hazard), relations=(*scene.relations, relation))


def replaceable(scene: Scene, split: Split) -> bool:
    """Return whether the split has any scene in which a hazard replaces a thing of this one.

    The smallest split has a tenth of all scenes, and there may be fewer than fifty to choose from.
    """
    return any(
        _replaced(scene, spot, kind.noun).split is split
        for spot in range(len(scene.things))
        for kind in kinds_of(split, hazard=True)
    )


def _replaced(scene: Scene, spot: int, noun: str) -> Scene:
    things = list(scene.things)
    things[spot] = replace(things[spot], noun=noun)
    return replace(scene, things=tuple(things))


def _spot(count: int, source: KeyedChoices) -> int:
    if count == MOST_THINGS:
        return 1 if source.number() < _MIDDLE else source.one_of((0, 2))
    return int(source.number() * count)


def loosen(scene: Scene, looseness: float, source: KeyedChoices, split: Split) -> Scene:
    """Edit a safe scene step by step to a distance of `looseness`, or the nearest step.

    The number of things stays as it is.
    """
    if looseness == 0:
        return scene
    walked = []
    for _ in range(_WALKS):
        changed = scene
        for _ in range(_STEPS):
            changed = _step(changed, source, split)
            walked.append(changed)
    away = np.abs(distances(graphs([scene]), graphs(walked))[0] - looseness)  # [w]
    return walked[int(away.argmin())]


def _step(scene: Scene, source: KeyedChoices, split: Split) -> Scene:
    choice = source.number()
    if choice < 0.25:
        return replace(scene, place=source.other_than([scene.place], [*PLACES]))
    if choice < 0.4 and scene.relations:
        relations = list(scene.relations)
        spot = int(source.number() * len(relations))
        relations[spot] = source.other_than([relations[spot]], RELATIONS)
        return replace(scene, relations=tuple(relations))
    things = list(scene.things)
    spot = int(source.number() * len(things))
    if choice < 0.65:
        colour = source.other_than([things[spot].colour], [*COLOURS])
        things[spot] = replace(things[spot], colour=colour)
        return replace(scene, things=tuple(things))
    objects = [kind.noun for kind in kinds_of(split, hazard=False)]
    return _replaced(scene, spot, source.other_than([thing.noun for thing in things], objects))
