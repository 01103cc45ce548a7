"""Text of pools for the terminal."""

from __future__ import annotations

import pytest

from nsfwcaps.inspection.plain import label, plain


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("A lamp on a table.", "A lamp on a table."),
        ("a\x1b[2J\x07lamp", "a\\x1b[2J\\x07lamp"),
        ("two\nlines\r\tand a tab", "two\\nlines\\r\\tand a tab"),
        ("\u202edrawkcab\u2066", "\\u202edrawkcab\\u2066"),
        ("\x9b31m one byte", "\\x9b31m one byte"),
        ("line\u2028end", "line\\u2028end"),
        ("ein Löwe, 狮子, 👩\u200d🚒", "ein Löwe, 狮子, 👩\u200d🚒"),
    ],
)
def test_what_moves_or_hides_is_spelt_out(text: str, wanted: str) -> None:
    assert plain(text) == wanted


def test_labels_are_short_and_plain() -> None:
    assert label("fire\x1b[2J") == "fire\\x1b[2J"
    assert label("x" * 41) == "x" * 39 + "…"
