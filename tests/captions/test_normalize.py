from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsfwcaps.captions.normalize import content_id, fold_key, has_hidden, normalize, pair_id

TEXT = st.text(st.characters(exclude_categories=("Cs",)))
ASCII_WORDS = st.lists(st.text("abcXYZ019", min_size=1), min_size=1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  A vase \t on\r\n a\u00a0table ", "A vase on a table"),
        ("a cafe\u0301", "a caf\u00e9"),
        ("a\u200b va\u00adse\ufeff", "a vase"),
        ("a\x00 vase\x1b", "a vase"),
        ("a\x1cvase\x08on\x9fa\x7ftable\x00", "a vase on a table"),
        ("a\u3164vase\u2800on\uffa0a table", "a vase on a table"),  # letters drawn as blanks
        ("a\u2028vase", "a vase"),
        ("", ""),
        (" \u3000 ", ""),
    ],
)
def test_spaces_accents_and_invisible_signs_are_unified(text: str, expected: str) -> None:
    assert normalize(text) == expected


def test_next_line_control_separates_words() -> None:
    assert normalize("a vase\x85on a table") == "a vase on a table"


@pytest.mark.parametrize(
    ("text", "expected", "hides"),
    [
        ("\U0001f468\u200d\U0001f469\u200d\U0001f467 on a beach", None, False),  # a family
        ("a flag \U0001f3f4\U000e0067\U000e0062\U000e007f", "a flag \U0001f3f4", True),
        ("\u0645\u0633\u062f\u0633 \u0639\u0644\u0649 \u0637\u0627\u0648\u0644\u0629", None, False),
        (
            "\u092e\u0947\u091c\u093c \u092a\u0930 \u092c\u0902\u0926\u0942\u0915",
            None,
            False,
        ),  # Hindi
        ("\u0e1b\u0e37\u0e19\u0e1a\u0e19\u0e42\u0e15\u0e4a\u0e30", None, False),  # Thai
        ("\u684c\u5b50\u4e0a\u6709\u4e00\u628a\u624b\u67aa", None, False),  # Chinese
        ("a cafe\u0301 table", "a caf\u00e9 table", False),
        ("a caf\u00e9 table", None, False),
        ("a hand\u200bgun", "a handgun", False),
        ("a hand\u00adgun", "a handgun", False),
        ("a handgun\u2028on a table", "a handgun on a table", False),
        ("a handgun\x85on a table", "a handgun on a table", False),
        ("a red \u2764\ufe0f heart", None, False),
        ("\uff41 \uff56\uff41\uff53\uff45", None, False),  # full width
        ("<b>a vase</b> &amp; a table", None, False),
        ('=HYPERLINK("x")', None, False),
        ("\U0001f600\U0001f389", None, False),
        ("?!...", None, False),
        ("\u202egnud a vase\u202c", "gnud a vase", True),
        ("\u2066a vase\u2069 on\u061c a table", "a vase on a table", True),
        ("a vase\U000e0061\U000e0062", "a vase", True),
        ("a vase\U000e0100", "a vase", True),
        ("a \ufff9vase\ufffa\ufffb", "a vase", True),
        ("a\u2064 va\u180ese\u206a", "a vase", True),
    ],
)
def test_scripts_and_emoji_stay_and_hidden_characters_go(
    text: str, expected: str | None, hides: bool
) -> None:
    assert normalize(text) == (text if expected is None else expected)
    assert has_hidden(text) is hides


@given(TEXT)
def test_what_is_kept_hides_nothing(text: str) -> None:
    kept = normalize(text)
    assert not has_hidden(kept)
    # Of the invisible characters, only those that scripts and emoji need.
    formats = {sign for sign in kept if unicodedata.category(sign) in ("Cc", "Cf")}
    visible = {sign for sign in formats if "\u0600" <= sign <= "\u08e2" or sign > "\U000110bc"}
    assert formats - visible <= {"\u200c", "\u200d"}


@given(TEXT, st.sampled_from(["\u202e", "\u2067", "\U000e0041", "\U000e01ef", "\ufffb", "\u206f"]))
def test_a_hidden_character_changes_nothing_but_the_flag(text: str, hidden: str) -> None:
    assert normalize(text[:3] + hidden + text[3:]) == normalize(text)
    assert has_hidden(text[:3] + hidden + text[3:])


@given(st.lists(st.text("abc", min_size=1), min_size=1), st.characters(categories=["Cc"]))
def test_a_control_character_never_joins_words(words: list[str], control: str) -> None:
    assert normalize(control.join(words)) == " ".join(words)


@given(st.lists(st.text("abcXYZ019.,!'", min_size=1), min_size=1))
def test_plain_captions_stay_as_they_are(words: list[str]) -> None:
    assert normalize(" ".join(words)) == " ".join(words)


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
