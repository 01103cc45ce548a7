"""Which rows of a large pool an inspection reads, and how many it says that there are."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from support.inspected_pools import arrow_file, csv_file, jsonl_file, numbered, parquet_file

import nsfwcaps


@pytest.mark.parametrize(
    ("name", "make"),
    [("a.csv", csv_file), ("a.jsonl", jsonl_file), ("a.parquet", parquet_file)],
)
def test_a_sample_has_rows_of_the_middle_and_the_end(
    tmp_path: Path, name: str, make: Callable[[Path, list[str]], Path]
) -> None:
    captions = numbered(20_000)
    captions[10_000] = "桌上有一只猫"
    captions[-1] = "Кот на столе."
    captions[1] = "A vase\non a table." if name != "a.csv" else captions[1]
    captions[5_000] = "테이블 위의 고양이"  # in none of the parts
    pool = make(tmp_path / name, captions)
    found = nsfwcaps.inspect(pool)
    (side,) = found.sides
    assert found.sample == "the first 2,000 rows, 1,000 from the middle and 1,000 from the end"
    assert (found.rows_read, side.captions, side.exact_copies) == (4000, 4000, 0)
    assert side.scripts == {"Latin": 3998, "Han": 1, "Cyrillic": 1}
    assert side.unusable == {}
    assert found.rows is not None
    assert found.rows == 20_000 if name == "a.parquet" else 19_900 < found.rows < 20_100
    assert found.rows_exact is (name == "a.parquet")
    whole = nsfwcaps.inspect(pool, everything=True)
    assert (whole.rows, whole.rows_exact, whole.sample) == (20_000, True, "all rows")
    assert whole.sides[0].scripts["Hangul"] == 1


def test_an_arrow_stream_is_entered_in_its_middle(tmp_path: Path) -> None:
    captions = numbered(9_000)
    captions[4_500] = "桌上有一只猫"
    found = nsfwcaps.inspect(arrow_file(tmp_path / "a.arrow", captions))
    assert (found.rows, found.rows_exact, found.rows_read) == (9_000, True, 4_000)
    assert found.sides[0].scripts == {"Latin": 3999, "Han": 1}


def test_row_groups_before_the_excerpts_are_skipped_rightly(tmp_path: Path) -> None:
    captions = numbered(12_345)
    pool = parquet_file(tmp_path / "a.parquet", captions, group=777)
    captions[0] = captions[1]
    (side,) = nsfwcaps.inspect(pool).sides
    assert (side.captions, side.exact_copies) == (4_000, 0)


def test_compressed_and_multiline_files_are_sampled_from_their_start(tmp_path: Path) -> None:
    captions = numbered(20_000)
    plain = jsonl_file(tmp_path / "a.jsonl", captions)
    packed = tmp_path / "a.jsonl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    found = nsfwcaps.inspect(packed)
    assert (found.compression, found.sample) == ("gzip", "the first 2,000 rows")
    assert found.rows is not None
    assert 18_000 < found.rows < 22_000
    cells = csv_file(tmp_path / "a.csv", [item.replace(" on ", "\non ") for item in captions])
    found = nsfwcaps.inspect(cells)
    assert (found.sample, found.sides[0].unusable) == ("the first 2,000 rows", {})
    assert found.rows is not None
    assert 19_900 < found.rows < 20_100


def test_cp1252_holds_for_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("".join(f"Un café {n:06d}.\n" for n in range(10_000)).encode("cp1252"))
    found = nsfwcaps.inspect(path)
    assert (found.encoding, found.rows_read, found.sides[0].unusable) == ("cp1252", 4000, {})


def test_of_many_files_some_are_sampled(tmp_path: Path) -> None:
    folder = tmp_path / "shards"
    folder.mkdir()
    for number in range(12):
        captions = [f"{item} In {number}." for item in numbered(500)]
        jsonl_file(folder / f"{number:03d}.jsonl", captions)
    found = nsfwcaps.inspect(folder)
    assert (found.files, found.rows_exact) == (12, False)
    assert found.sample == "the first 400 rows of 5 of the 12 files"
    assert found.rows is not None
    assert 5_900 < found.rows < 6_100
    assert found.sides[0].columns == ["000.jsonl and 4 more: columns: caption=caption"]
    assert nsfwcaps.inspect(folder, everything=True).rows == 6_000


def test_json_documents_are_read_from_their_start(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps([{"caption": item, "url": "x" * 100} for item in numbered(9_000)]))
    found = nsfwcaps.inspect(path)
    assert (found.rows, found.rows_exact, found.sample) == (None, False, "the first 2,000 rows")
    assert "rows: at least 2,000 (--all counts them)" in repr(found)
    path.write_text(json.dumps([{"caption": item} for item in numbered(9_000)]))
    assert (nsfwcaps.inspect(path).rows, path.stat().st_size < 2**20) == (9_000, True)
