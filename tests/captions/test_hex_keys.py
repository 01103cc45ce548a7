from __future__ import annotations

import pyarrow as pa
import pytest

from nsfwcaps.captions.hex_keys import hex_keys
from nsfwcaps.captions.kept_texts import GROUPS, KeptTexts, text_keys

IDS = ["00000000000000ff" + "0" * 16, "ffffffffffffffff" + "1" * 16, "0123456789ABCDEF" + "2" * 16]


def test_first_sixteen_digits() -> None:
    assert hex_keys(pa.array(IDS)).tolist() == [255, 2**64 - 1, 0x0123456789ABCDEF]
    assert hex_keys(pa.array(IDS)[1:2]).tolist() == [2**64 - 1]
    assert hex_keys(pa.array([], pa.string())).tolist() == []
    assert text_keys(pa.array(IDS)).tolist() == text_keys(IDS).tolist()


@pytest.mark.parametrize("wrong", ["12345", "g" * 32, " " * 32, None])
def test_other_texts_are_refused(wrong: str | None) -> None:
    with pytest.raises(ValueError, match=r"(?i)hexadecimal"):
        hex_keys(pa.array([*IDS, wrong], pa.string()))


def test_texts_of_groups_are_counted_apart() -> None:
    names = [pa.array(["a", "b"]).dictionary_encode(), pa.array(["b"]).dictionary_encode()]
    texts = KeptTexts(text_keys(pa.array(IDS)), pa.chunked_array(names, GROUPS))
    texts.find(text_keys([IDS[1], "5" * 32]))
    assert texts.kept() == (1, 3)
    assert [texts.kept([name]) for name in "abc"] == [(0, 1), (1, 2), (0, 0)]
    texts.find_group("a")
    assert texts.kept(["a", "b"]) == (2, 3)
