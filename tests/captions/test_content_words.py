from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nsfwcaps.captions.content_words import bag_keys, content_word, tokens
from nsfwcaps.captions.normalize import folded


def split(*captions: str) -> list[list[str]]:
    """Words of each caption."""
    found = tokens(pa.array(captions, pa.string()))
    words = [found.words[at] for at in found.of]
    parts = zip(found.starts[:-1], found.starts[1:], strict=True)
    return [[word for word in words[start:stop] if word] for start, stop in parts]


def test_words_of_captions() -> None:
    assert split("A man's DOG, 3 feet tall.", "", "...", "Über-café №\uff15", "東京 tower") == [
        ["a", "man", "s", "dog", "3", "feet", "tall"],
        [],
        [],
        ["über", "café", "no5"],
        ["東京", "tower"],
    ]
    assert split() == []


@settings(deadline=None)
@given(st.lists(st.text(st.sampled_from("aZ é.'_-5ﬁ東\u0301"), max_size=8), max_size=6))
def test_words_are_those_of_the_fold_key(captions: list[str]) -> None:
    captions = [" ".join(caption.split()) for caption in captions]
    # A caption without a word folds to itself, signs and all.
    expected = [[word for word in folded(item).split() if word.strip(".'-")] for item in captions]
    found = [[word for word in words if word.strip(".'-")] for words in split(*captions)]
    assert found == expected


def test_slice_of_a_column() -> None:
    column = pa.array(["a red kite", "a cup", "two dogs"])[1:]
    found = tokens(column)
    assert [found.words[at] for at in found.of] == ["a", "cup", "two", "dogs"]
    assert found.starts.tolist() == [0, 2, 4]
    assert found.rows.tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("words", "stem"),
    [
        (("smoke", "smokes", "smoked", "smoking"), "smok"),
        (("box", "boxes"), "box"),
        (("match", "matches"), "match"),
        (("party", "parties"), "party"),
        (("sit", "sits", "sitting"), "sit"),
        (("glass", "glasses"), "glass"),
        (("bus",), "bus"),
        (("thing",), "thing"),
        (("bed",), "bed"),
        (("5",), "5"),
        (("café",), "café"),
    ],
)
def test_endings(words: tuple[str, ...], stem: str) -> None:
    assert {content_word(word) for word in words} == {stem}


def test_stop_words_and_single_letters_have_no_stem() -> None:
    for word in ("the", "a", "s", "on", "without", "is", ""):
        assert content_word(word) is None, word


def test_bags_ignore_order_stop_words_and_endings_but_not_repeats() -> None:
    captions = [
        "A handgun on the table",
        "tables with handguns!",
        "A handgun on the table on the table",
        "A handgun.",
        "",
        "A kite on the table",
    ]
    first, second, repeated, short, empty, other = bag_keys(tokens(pa.array(captions))).tolist()
    assert first == second != 0
    assert short == empty == 0
    assert len({first, repeated, other, 0}) == 4
