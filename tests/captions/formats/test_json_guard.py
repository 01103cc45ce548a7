from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from nsfwcaps.captions.formats.json_guard import Guarded
from nsfwcaps.captions.readers import read_pool
from nsfwcaps.errors import InputError

VASE = "a vase on a table"


def rows(path: Path, text: str) -> list[object]:
    path.write_text(text)
    return list(read_pool(str(path), lambda sample: sample.names))


@pytest.mark.parametrize("before", [0, 65_000, 65_520])
def test_number_that_python_refuses_is_an_error(tmp_path: Path, before: int) -> None:
    head = json.dumps([{"caption": VASE, "note": "x" * before}])[:-2]
    assert len(rows(tmp_path / "a.json", f'{head}, "n": {10**18}}}]')) == 1
    with pytest.raises(InputError, match=r"a\.json: a number of more than 4,300 digits"):
        rows(tmp_path / "a.json", head + ', "n": ' + "1" * 4301 + "}]")


@pytest.mark.parametrize("size", [1, 7, 4300, 5000, 2**16])
def test_long_number_is_found_in_blocks_of_any_size(size: int) -> None:
    def read(digits: int) -> None:
        stream = Guarded(io.BytesIO(b"[" * 2 + b"1" * digits + b"]" * 9000), "a.json")
        while stream.read(size):
            pass

    read(4300)
    with pytest.raises(InputError):
        read(4301)


@pytest.mark.parametrize("opening", ["[", '{"a":', '[1,{"b[":'])
def test_deep_nesting_is_an_error(tmp_path: Path, opening: str) -> None:
    with pytest.raises(InputError, match=r"a\.json: values nested more than 250 deep"):
        rows(tmp_path / "a.json", f'[{{"caption": "{VASE}", "x": {opening * 30_000}')


@pytest.mark.parametrize("opening", [b'{"":', b'{"a":[', b"["])
@pytest.mark.parametrize("skipped", range(6))
def test_deep_nesting_is_found_wherever_a_block_begins(opening: bytes, skipped: int) -> None:
    with pytest.raises(InputError, match="nested"):
        Guarded(io.BytesIO((opening * 20_000)[skipped:]), "a.json").read(2**16)


def test_brackets_and_digits_in_captions_are_no_fault(tmp_path: Path) -> None:
    captions = ["[" * 3000 + '"{' * 3000, "7" * 5000, VASE]
    text = json.dumps([{"caption": caption} for caption in captions])
    assert rows(tmp_path / "a.json", text) == [{"caption": caption} for caption in captions]


def test_wide_documents_are_no_deep_ones(tmp_path: Path) -> None:
    wide = [{"caption": VASE, "x": [[[number]]]} for number in range(20_000)]
    assert rows(tmp_path / "a.json", json.dumps(wide)) == wide
