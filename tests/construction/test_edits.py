from __future__ import annotations

import pytest

from nsfwcaps.construction.edits import Edit, edit, holds


@pytest.mark.parametrize(
    ("safe", "unsafe", "added", "removed"),
    [
        ("A cup on a table.", "A cup on a table", 0, 0),
        ("A cup on a table", "A cup and a knife on a table", 3, 0),
        ("A cup on a table", "a CUP, on a table!", 0, 0),
        ("A cup on a table", "A handgun on a table", 1, 1),
        ("A cup on a table", "Sure! Here is a caption", 4, 4),
        ("", "a cup", 2, 0),
    ],
)
def test_words_are_counted(safe: str, unsafe: str, added: int, removed: int) -> None:
    assert edit(safe, unsafe) == Edit(added=added, removed=removed)


def test_a_phrase_stands_in_a_text_in_one_piece() -> None:
    assert holds("A vase next to A HANDGUN, on a table", "a handgun")
    assert not holds("A hand on a gun", "a handgun")
    assert not holds("a pile on bullets", "a pile of bullets")
    assert not holds("a cup", "")
    assert not holds("a cup", "!")
