from __future__ import annotations

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from nsfwcaps.captions.content_words import tokens
from nsfwcaps.construction.elements import ELEMENTS
from nsfwcaps.construction.hazard_scan import with_hazard
from nsfwcaps.construction.lexicon import has_hazard

WIDE = "\uff47\uff55\uff4e"
"""The word gun in full-width letters."""
PARTS = [
    *("a", "handgun", "on", "fire", "hydrant", "broken", "windows", "Smoking", "burnt-out", "cars"),
    *("hunting", "knife", "fake", "passport", "pipe", "crack", WIDE, "é", "_gun", "man's", "."),
]


def scan(captions: list[str]) -> list[bool]:
    column = pa.array(captions, pa.string())
    found: list[bool] = with_hazard(column, tokens(column)).tolist()
    return found


@settings(deadline=None)
@given(st.lists(st.lists(st.sampled_from(PARTS), max_size=6).map(" ".join), max_size=8))
def test_as_one_caption_at_a_time(captions: list[str]) -> None:
    assert scan(captions) == [has_hazard(caption) for caption in captions]


def test_every_element_is_found() -> None:
    assert all(scan([f"A scene with {element.phrase} in it." for element in ELEMENTS]))


def test_literal() -> None:
    captions = [
        "A man smoking outside.",
        "A fire hydrant",
        "A house on fire",
        f"A {WIDE}",
        "gunwale",
    ]
    assert scan(captions) == [True, False, True, True, False]
