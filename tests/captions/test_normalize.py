from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsfwcaps.captions.normalize import content_id, fold_key, normalize, pair_id

TEXT = st.text(st.characters(exclude_categories=("Cs",)))
ASCII_WORDS = st.lists(st.text("abcXYZ019", min_size=1), min_size=1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  A vase \t on\r\n a\u00a0table ", "A vase on a table"),
        ("a cafe\u0301", "a caf\u00e9"),
        ("a\u200b va\u00adse\ufeff", "a vase"),
        ("a\x00 vase\x1b", "a vase"),
        ("a\u2028vase", "a vase"),
        ("", ""),
        (" \u3000 ", ""),
    ],
)
def test_spaces_accents_and_invisible_signs_are_unified(text: str, expected: str) -> None:
    assert normalize(text) == expected


def test_next_line_control_separates_words() -> None:
    assert normalize("a vase\x85on a table") == "a vase on a table"


def test_joiners_that_scripts_and_emoji_need_stay() -> None:
    assert normalize("\u0645\u06cc\u200c\u062e") == "\u0645\u06cc\u200c\u062e"
    assert normalize("\U0001f469\u200d\U0001f373") == "\U0001f469\u200d\U0001f373"


def test_case_and_punctuation_stay() -> None:
    assert normalize("A Vase, on a TABLE!") == "A Vase, on a TABLE!"


@given(TEXT)
def test_normalising_twice_changes_nothing(text: str) -> None:
    once = normalize(text)
    assert normalize(once) == once
    assert unicodedata.is_normalized("NFC", once)


def test_accent_behind_an_invisible_sign_is_composed() -> None:
    assert normalize("cafe\u200b\u0301") == "caf\u00e9"


def test_content_id_is_pinned() -> None:
    # As `b2sum -l 128` gives it. Published data sets carry these ids: they must not change.
    assert content_id("a vase on a table") == "d9b5127b98def95a48b255d61c32012a"
    assert content_id("a vase on a table", "ab" * 32) == "d9b5127b98def95acae3a4ec7f3df890"


def test_pair_id_is_pinned_and_has_a_direction() -> None:
    assert pair_id("1" * 32, "2" * 32) == "87c791f39e800a66b0476fc0f7b2e852"
    assert pair_id("2" * 32, "1" * 32) != pair_id("1" * 32, "2" * 32)


@given(TEXT, st.sampled_from([None, "0" * 64, "f" * 64]))
def test_content_ids_are_32_hex_digits_led_by_the_text(text: str, image: str | None) -> None:
    identity = content_id(text, image)
    assert len(identity) == 32
    assert set(identity) <= set("0123456789abcdef")
    assert identity[:16] == content_id(text)[:16]


def test_same_text_with_different_images_has_different_ids() -> None:
    ids = {content_id("a vase", image) for image in (None, "0" * 64, "f" * 64)}
    assert len(ids) == 3


@given(ASCII_WORDS)
def test_fold_key_ignores_case_and_punctuation(words: list[str]) -> None:
    plain = " ".join(words)
    assert fold_key(plain) == fold_key(f"({', '.join(words).upper()}!)")


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("\uff41 \uff42", "a b"),
        ("Stra\u00dfe", "STRASSE"),
        ("a red \u2764\ufe0f heart", "a red heart"),
        ("a vase \u2014 on \u201ca table\u201d", "a vase on a table"),
    ],
)
def test_fold_key_ignores_width_and_signs(left: str, right: str) -> None:
    assert fold_key(left) == fold_key(right)


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ("a vase", "a vases"),
        ("a vase", "avase"),
        ("\u0915\u093f", "\u0915\u0940"),  # two Hindi syllables, told apart by the vowel sign
        ("\u0e01\u0e34", "\u0e01\u0e35"),  # the same in Thai
        ("\U0001f436", "\U0001f431"),  # no words at all
    ],
)
def test_fold_key_tells_different_words_apart(left: str, right: str) -> None:
    assert fold_key(left) != fold_key(right)


@given(TEXT)
def test_fold_key_fits_64_bits(text: str) -> None:
    assert 0 <= fold_key(text) < 2**64
