"""Captions that are words for a missing value, header lines, or no words."""

from __future__ import annotations

import pytest

from nsfwcaps.captions.null_words import is_null_word, problem


@pytest.mark.parametrize(
    "text",
    [
        *("nan", "NaN", "NULL", "null", "None", "N/A", "n/a", "NA", "<NA>", "#N/A", "NaT", "\\N"),
        *("'nan'", '"NULL"', "None.", " none ", "undefined", "#REF!", "nil", "(null)", "-nan"),
        *("nan nan", "NULL null null", "N.A.", "n.a", "null;", "None:", "[removed]", "[Deleted]"),
        *("No caption", "no description available.", "TODO", "unknown", "Not  available"),
    ],
)
def test_null_words(text: str) -> None:
    assert problem(text, "caption") == "null_word"


@pytest.mark.parametrize(
    "text",
    [
        *("12", "3.5", "-", "--", "...", "?", "[]", "{}", "()", "2024-05-01", "50 %"),
        *(
            "…",
            "———",
            "•",
            "“”",
            "\u2018 \u2019",
            "\uff11\uff12",
            "١٢",
            "™",
            "■ ■",
            "→",
            "½",
            "。",
            "Ⅳ",
        ),
        *("https://example.org/a.jpg", "www.example.org/x", "000000001.jpg", "images/a.png"),
        *("<br>", "<p></p>", "&nbsp;", "![](x.png)", '<img src="a.jpg"/>', "<!-- caption -->"),
    ],
)
def test_no_words(text: str) -> None:
    assert problem(text, "caption") == "no_words"


@pytest.mark.parametrize(
    "text",
    [
        *("A cat named None", "none of the people smile", "A null sign", "Nan bakes a cake"),
        *("A dog", "dog", "42nd street", "7 cats", "a.jpg on a screen", "<b>A dog</b>", "Nana"),
        *(
            "猫",
            "кот",
            "😀",
            "❤",
            "🇫🇷",
            "ª",
            "• a dog",
            "قط",
            "३ बिल्लियाँ",
            "Na na na",
            "None of it;",
        ),
        *("Removed paint on a wall", "A [removed] sign", "Captions", "The caption:"),
        *("Unknown man on a bench", "Missing tile in a bathroom"),
    ],
)
def test_captions_stay(text: str) -> None:
    assert problem(text, "caption") is None


def test_header_lines() -> None:
    assert problem("caption", "caption") == "header_line"
    assert problem("text", "text") == "header_line"
    assert problem("Caption", "caption") == problem("caption:", "Caption") == "header_line"
    assert problem("A caption", "caption") is None
    assert problem("text", "caption") is None


def test_cells_of_other_columns() -> None:
    assert is_null_word(float("nan"))
    assert not is_null_word(0.0)
    assert not is_null_word("unknown")  # a category may be called so
    assert not is_null_word(None)
