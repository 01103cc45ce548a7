"""`rules`: the built-in editor. It inserts elements of the lexicon by a small grammar."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from nsfwcaps.config import digest
from nsfwcaps.construction.editors.editor import (
    Answer,
    EditorStatement,
    EditRequest,
    Proposal,
    Refusal,
)
from nsfwcaps.construction.elements import ELEMENTS
from nsfwcaps.construction.forms import not_edited
from nsfwcaps.construction.hazard import Element
from nsfwcaps.construction.insertion import Insertion
from nsfwcaps.construction.insertions import insertions
from nsfwcaps.construction.minors import MINORS, may_show_minors
from nsfwcaps.construction.quotas import order_key
from nsfwcaps.construction.scenes import Trait, traits

NAME = "rules"
VERSION = 3

_VARIANTS = 3
"""Edits proposed for a caption, of which the most plausible is used."""
_READ = 1 << 15
"""Captions whose reading is kept, since each is asked for in several categories."""


@dataclass(frozen=True)
class RulesEditor:
    """Chooses place and element by a hash of seed, caption and category; needs no model."""

    seed: int

    @property
    def statement(self) -> EditorStatement:
        """Its description, with the grammar's version and the lexicon's digest."""
        words = digest(
            [
                [e.phrase, e.detail, e.category, sorted(e.places), sorted(e.only), sorted(e.never)]
                for e in ELEMENTS
            ]
        )
        return EditorStatement(
            name=NAME, version=f"grammar {VERSION}, lexicon {words[:12]}", only_inserts=True
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
        read = _read(request.caption)
        if isinstance(read, str):
            return Refusal(read)
        places, scene = read
        choices = [
            (place, element)
            for place in places
            for element in ELEMENTS
            if element.category is request.category and place.takes(element, scene)
        ]
        if not choices:
            return Refusal("no_fitting_hazard")
        chosen = self._varied(request, choices)
        first, *others = [
            Proposal(place.apply(request.caption, element), element.phrase, place.template)
            for place, element in chosen
        ]
        return replace(first, others=tuple(others))

    def _varied(
        self, request: EditRequest, choices: Sequence[tuple[Insertion, Element]]
    ) -> list[tuple[Insertion, Element]]:
        """Return a few choices in an order of the seed, of different elements, places in turn."""
        start = f"{request.id}:{request.category}"
        order = sorted(
            choices,
            key=lambda item: order_key(self.seed, f"{start}:{item[0].template}:{item[1].phrase}"),
        )
        chosen: dict[str, tuple[Insertion, Element]] = {}
        for place, element in order:
            chosen.setdefault(element.phrase, (place, element))
        return [*chosen.values()][:_VARIANTS]


@lru_cache(maxsize=_READ)
def _read(caption: str) -> str | tuple[Sequence[Insertion], frozenset[Trait]]:
    """Return why a caption is not edited, or its places and traits; for all categories at once."""
    if may_show_minors(caption):
        return MINORS
    if reason := not_edited(caption):
        return reason
    places = insertions(caption)
    return (places, traits(caption)) if places else "no_place"
