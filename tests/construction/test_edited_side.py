from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from nsfwcaps.construction.edited_side import check_edited
from nsfwcaps.detectors.detector import DetectorStatement, Modality, Scores
from nsfwcaps.enums import Category

VIOLENCE, SHOCKING, HATE = Category.VIOLENCE, Category.SHOCKING, Category.HATE


@dataclass(frozen=True)
class ByWord:
    """Finds a text unsafe by the words in it."""

    words: Mapping[str, Category | None]
    threshold: float = 0.5

    @property
    def statement(self) -> DetectorStatement:
        return DetectorStatement(
            name="by-word",
            kind=Modality.TEXT,
            licence="none",
            trained_for="words",
            version="1",
            weights_sha256="",
            threshold=self.threshold,
        )

    @property
    def categories(self) -> Sequence[Category]:
        return [item for item in dict.fromkeys(self.words.values()) if item is not None]

    def score(self, items: Sequence[str]) -> Scores:
        return np.array([0.6 * any(word in item for word in self.words) for item in items])

    def score_categories(self, items: Sequence[str]) -> Scores:
        rows = [
            [
                0.6 * any(word in item for word, of in self.words.items() if of is category)
                for category in self.categories
            ]
            for item in items
        ]
        return np.array(rows)


CAPTIONS = ["a cup", "a handgun", "a skull", "a handgun and a skull"]


def test_without_detectors_nothing_is_set_aside() -> None:
    assert check_edited([], CAPTIONS, [VIOLENCE] * 4) == [None] * 4
    assert check_edited([ByWord({"handgun": None})], [], []) == []


def test_unsafe_by_any() -> None:
    both = [ByWord({"handgun": None}), ByWord({"skull": None})]
    assert check_edited(both, CAPTIONS, [VIOLENCE] * 4) == ["edited_side_safe", None, None, None]
    found = check_edited(both[:1], CAPTIONS, [VIOLENCE] * 4)
    assert found == ["edited_side_safe", None, "edited_side_safe", None]


def test_the_threshold_counts() -> None:
    strict = ByWord({"handgun": None}, threshold=0.7)
    assert check_edited([strict], CAPTIONS[1:2], [VIOLENCE]) == ["edited_side_safe"]


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (VIOLENCE, ["edited_side_safe", None, "other_category", None]),
        (SHOCKING, ["edited_side_safe", "other_category", None, None]),
        (HATE, ["edited_side_safe", None, None, None]),  # that it does not know
    ],
)
def test_the_category_that_was_asked_for(asked: Category, expected: list[str | None]) -> None:
    detector = ByWord({"handgun": VIOLENCE, "skull": SHOCKING})
    assert check_edited([detector], CAPTIONS, [asked] * 4) == expected


def test_one_that_knows_no_category_does_not_say_which_it_is() -> None:
    plain, knows = ByWord({"skull": None}), ByWord({"handgun": VIOLENCE})
    found = check_edited([plain, knows], CAPTIONS, [VIOLENCE] * 4)
    assert found == ["edited_side_safe", None, "other_category", None]
