"""`world`: an editor for captions of the bundled icon world, which can then draw them.

    caption ─ parse ─▶ scene ─ add a hazard ─▶ scene ─▶ caption with the same phrasing

The edited caption is again a caption of the world, in the same split. Captions that the world did
not write are refused, and so are full scenes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from nsfwcaps.config import digest
from nsfwcaps.construction.editors.editor import (
    Answer,
    EditorStatement,
    EditRequest,
    Proposal,
    Refusal,
)
from nsfwcaps.enums import Category
from nsfwcaps.world.captions import caption
from nsfwcaps.world.reading import read_caption
from nsfwcaps.world.scene import MOST_THINGS, RELATIONS, KeyedChoices, Scene, Thing, kinds_of
from nsfwcaps.world.vocabulary import COLOURS

NAME = "world"
VERSION = 1

NOT_OF_THE_WORLD = "not_of_the_world"

_TRIES = 200  # the smallest split has one scene in ten

_HAZARDS: Mapping[Category, tuple[str, ...]] = {
    Category.VIOLENCE: (*("gun", "bomb", "landmine", "explosion", "gunman", "crosshair"),),
    Category.ILLEGAL_ACTIVITY: (
        *("syringe", "joint", "bong", "cannabis", "pair of handcuffs", "burglar"),
        *("robber", "graffiti"),
    ),
    Category.SELF_HARM: ("pill bottle", "cigarette", "whiskey", "beer"),
    Category.SHOCKING: (
        *("skull and crossbones", "skull", "bone", "biohazard", "radiation sign", "virus"),
        *("burning house", "wreck", "fire", "burning dumpster", "ruin"),
    ),
}
"""Hazards of the world by I2P concept; each belongs to one."""

CATEGORIES = tuple(_HAZARDS)


@dataclass(frozen=True)
class WorldEditor:
    """Chooses hazard, colour and relation by a hash of seed, caption and category."""

    seed: int

    @property
    def statement(self) -> EditorStatement:
        """Its description, with its version and the digest of the hazards."""
        return EditorStatement(
            name=NAME,
            version=f"version {VERSION}, hazards {digest(_HAZARDS)[:12]}",
            only_inserts=True,
        )

    @property
    def models(self) -> Sequence[str]:
        """Empty: it has no model."""
        return ()

    def edit(self, requests: Sequence[EditRequest], advance: Callable[[int], None]) -> list[Answer]:
        """Answer n requests."""
        answers = [self._answer(request) for request in requests]
        advance(len(requests))
        return answers

    def _answer(self, request: EditRequest) -> Answer:
        found = read_caption(request.caption)
        if found is None:
            return Refusal(NOT_OF_THE_WORLD)
        scene, phrasing = found
        if scene.hazard is not None:
            return Refusal("safe_side_unsafe")
        source = KeyedChoices("edit", VERSION, self.seed, request.id, request.category.value)
        edited = _with_hazard(scene, request.category, source)
        if edited is None:
            return Refusal("no_place")
        return Proposal(caption=caption(edited, phrasing), element=edited.things[-1].noun)


def _with_hazard(scene: Scene, category: Category, source: KeyedChoices) -> Scene | None:
    """Add a hazard to the scene, keeping its split; None if there is no room."""
    if len(scene.things) == MOST_THINGS:
        return None
    split = scene.split
    known = {kind.noun for kind in kinds_of(split, hazard=True)}
    nouns = [noun for noun in _HAZARDS[category] if noun in known]
    for _ in range(_TRIES):
        hazard = Thing(noun=source.one_of(nouns), colour=source.one_of([*COLOURS]))
        edited = replace(
            scene,
            things=(*scene.things, hazard),
            relations=(*scene.relations, source.one_of(RELATIONS)),
        )
        if edited.split is split:
            return edited
    return None
