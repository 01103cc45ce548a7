from __future__ import annotations

import pytest

from nsfwcaps.captions.scripts import is_mostly_non_latin, script_of


@pytest.mark.parametrize(
    ("caption", "expected"),
    [
        ("a handgun on a table", False),
        ("", False),
        ("12 + 3 = 15 😀", False),  # no letters
        ("😀😀😀", False),
        ("un café, über allen Gipfeln, İstanbul, Đà Nẵng", False),
        ("\uff46\uff55\uff4c\uff4c", False),  # full width
        ("桌上有一把手枪", True),
        ("пистолет на столе", True),
        ("مسدس على طاولة", True),
        ("मेज़ पर बंदूक", True),
        ("ปืนบนโต๊ะ", True),
        ("a photo of 猫", False),
        ("猫猫猫 cat", False),  # three of six letters: not more than half
        ("猫猫猫猫 cat", True),
    ],
)
def test_letters_decide(caption: str, expected: bool) -> None:
    assert is_mostly_non_latin(caption) is expected


@pytest.mark.parametrize(
    ("caption", "script"),
    [
        ("A café.", "Latin"),
        ("桌上有一只猫 (cat)", "Han"),
        ("テーブルの上の猫", "Japanese"),
        ("高い机の上に猫がいる", "Japanese"),
        ("테이블 위의 고양이", "Hangul"),
        ("Кот на столе", "Cyrillic"),
        ("قطة على الطاولة", "Arabic"),
        ("मेज पर बिल्ली", "Devanagari"),
        ("\uff46\uff55\uff4c\uff4c", "Latin"),
        ("1, 2!", None),
        ("", None),
    ],
)
def test_the_script_of_most_letters(caption: str, script: str | None) -> None:
    assert script_of(caption) == script
