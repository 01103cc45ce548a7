"""Scene edits: adding the hazard that makes a scene unsafe, and steps to looser neighbours."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nsfwcaps.enums import Split
from nsfwcaps.world.distance import distances, graphs
from nsfwcaps.world.scene import MOST_THINGS, RELATIONS, KeyedChoices, Scene, Thing, kinds_of
from nsfwcaps.world.vocabulary import COLOURS, PLACES

_WALKS, _STEPS = 8, 6


def add_hazard(scene: Scene, source: KeyedChoices, split: Split) -> Scene:
    """Return the scene's unsafe twin: one hazard added, or one thing replaced by a hazard.

    This is a minimal edit: nothing else changes.
    """
    noun = source.one_of(kinds_of(split, hazard=True)).noun
    full = len(scene.things) == MOST_THINGS
    if full or (len(scene.things) > 1 and source.number() < 0.5):
        spot = int(source.number() * len(scene.things))
        things = list(scene.things)
        things[spot] = replace(things[spot], noun=noun)
        return replace(scene, things=tuple(things))
    hazard = Thing(noun=noun, colour=source.one_of([*COLOURS]))
    return replace(
        scene,
        things=(*scene.things, hazard),
        relations=(*scene.relations, source.one_of(RELATIONS)),
    )


def loosen(scene: Scene, looseness: float, source: KeyedChoices, split: Split) -> Scene:
    """Edit a safe scene step by step to a distance of `looseness`, or the nearest step."""
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
    spot = int(source.number() * len(scene.things))
    if choice < 0.5:
        return _with_thing(scene, spot, source, split, keep_noun=True)
    if choice < 0.8:
        return _with_thing(scene, spot, source, split, keep_noun=False)
    if choice < 0.9 and scene.relations:
        return replace(
            scene,
            relations=(source.other_than(scene.relations[:1], RELATIONS), *scene.relations[1:]),
        )
    if len(scene.things) < MOST_THINGS:
        noun = source.other_than([thing.noun for thing in scene.things], _nouns(split))
        thing = Thing(noun=noun, colour=source.one_of([*COLOURS]))
        return replace(
            scene,
            things=(*scene.things, thing),
            relations=(*scene.relations, source.one_of(RELATIONS)),
        )
    return replace(scene, things=scene.things[:-1], relations=scene.relations[:-1])


def _with_thing(
    scene: Scene, spot: int, source: KeyedChoices, split: Split, *, keep_noun: bool
) -> Scene:
    things = list(scene.things)
    if keep_noun:
        colour = source.other_than([things[spot].colour], [*COLOURS])
        things[spot] = replace(things[spot], colour=colour)
    else:
        noun = source.other_than([thing.noun for thing in things], _nouns(split))
        things[spot] = replace(things[spot], noun=noun)
    return replace(scene, things=tuple(things))


def _nouns(split: Split) -> list[str]:
    return [kind.noun for kind in kinds_of(split, hazard=False)]
