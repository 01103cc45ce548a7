from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsfwcaps.captions import containment
from nsfwcaps.captions.containment import ContentSets
from nsfwcaps.captions.content_words import content_word, tokens
from nsfwcaps.captions.normalize import folded

WORDS = [
    "red",
    "kite",
    "cups",
    "dog",
    "walking",
    "a",
    "the",
    "naïve",
    "\uff15",
    "東京",
    "b_b",
    "man's",
]
CAPTIONS = st.lists(st.lists(st.sampled_from(WORDS), max_size=8).map(" ".join), max_size=12)


def contained(captions: Sequence[str], within: Sequence[Sequence[str]]) -> list[bool]:
    sets = ContentSets(pa.array(part, pa.string()) for part in within)
    found: list[bool] = sets.contained(tokens(pa.array(captions, pa.string()))).tolist()
    return found


def by_brute_force(captions: Sequence[str], within: Sequence[str]) -> list[bool]:
    def content(caption: str) -> list[str]:
        return [stem for stem in map(content_word, folded(caption).split()) if stem is not None]

    sets = [{*content(caption)} for caption in within]
    return [
        any(len(one) >= 2 and one <= {*words} and len(words) <= 3 * len(one) for one in sets)
        for words in map(content, captions)
    ]


@settings(deadline=None)
@given(captions=CAPTIONS, within=CAPTIONS, cut=st.integers(0, 12))
def test_as_brute_force(captions: list[str], within: list[str], cut: int) -> None:
    assert contained(captions, [within[:cut], within[cut:]]) == by_brute_force(captions, within)


@settings(deadline=None)
@given(captions=CAPTIONS, within=CAPTIONS)
def test_as_brute_force_in_small_blocks(captions: list[str], within: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(containment, "_PAIRS_AT_ONCE", 5)
        assert contained(captions, [within]) == by_brute_force(captions, within)


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("A handgun lying on a wooden table.", True),
        ("WOODEN TABLES, with handguns lying on them", True),
        ("An old handgun lying on a small wooden table near a window", True),
        ("A vase lying on a wooden table.", False),
        ("A handgun.", False),
        ("A handgun on a table.", False),
        ("", False),
    ],
)
def test_copies_but_not_counterparts(caption: str, expected: bool) -> None:
    unsafe = ["A handgun lying on a wooden table.", "A gun", "the"]
    assert contained([caption], [unsafe]) == [expected]


def test_much_longer_caption_is_no_copy() -> None:
    words = ["lake", "tree", "bench", "path", "boat", "duck"]
    unsafe = [["A man smoking"]]
    assert contained([f"A man smoking {' '.join(words[:4])}"], unsafe) == [True]
    assert contained([f"A man smoking {' '.join(words[:5])}"], unsafe) == [False]


def test_no_unsafe_caption() -> None:
    assert contained(["a red kite"], []) == [False]
    assert contained([], [["a red kite"]]) == []
