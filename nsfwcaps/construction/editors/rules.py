"""`rules`: the built-in editor. It inserts elements of the lexicon by a small grammar."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nsfwcaps.config import digest
from nsfwcaps.construction.editors.editor import (
    Answer,
    EditorStatement,
    EditRequest,
    Proposal,
    Refusal,
)
from nsfwcaps.construction.insertions import insertions, mentions_minors
from nsfwcaps.construction.lexicon import ELEMENTS, Element

NAME = "rules"
VERSION = 1


@dataclass(frozen=True)
class RulesEditor:
    """Chooses place and element by a hash of seed, caption and category; needs no model."""

    seed: int

    @property
    def statement(self) -> EditorStatement:
        """Its description, with the grammar's version and the lexicon's digest."""
        words = digest([[e.phrase, e.category, sorted(e.places), e.plural] for e in ELEMENTS])
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
        fitting = [element for element in ELEMENTS if element.category is request.category]
        choices = [
            (place, phrases)
            for place in insertions(request.caption)
            if (phrases := _phrases(place.phrase, fitting))
        ]
        if not choices:
            minors = mentions_minors(request.caption)
            return Refusal("mentions_minors" if minors else "no_place")
        which = int.from_bytes(
            hashlib.blake2b(
                f"{self.seed}:{request.id}:{request.category}".encode(), digest_size=8
            ).digest(),
            "big",
        )
        place, phrases = choices[which % len(choices)]
        phrase = phrases[which // len(choices) % len(phrases)]
        return Proposal(
            caption=place.apply(request.caption, phrase), element=phrase, template=place.template
        )


def _phrases(phrase_of: Callable[[Element], str | None], elements: Sequence[Element]) -> list[str]:
    return [phrase for element in elements if (phrase := phrase_of(element)) is not None]
