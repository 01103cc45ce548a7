from __future__ import annotations

from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nsfwcaps.captions import benchmarks
from nsfwcaps.captions.content_words import tokens
from nsfwcaps.captions.normalize import fold_key
from nsfwcaps.errors import InputError


def found_in(benchmark: benchmarks.BenchmarkKeys, *captions: str) -> list[bool]:
    folds = np.array([fold_key(caption) for caption in captions], np.uint64)
    mask: list[bool] = benchmark.matches(folds, tokens(pa.array(captions))).tolist()
    return mask


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        (
            "nsfwcaps.csv",
            "image_coco_url,caption,nsfw_caption,chosen_category\n"
            "http://a/1.jpg,A cup on a desk,A handgun on a desk,violence\n",
            {"A cup on a desk", "A handgun on a desk"},
        ),
        (
            "visu.json",
            '[{"incremental_id": 1, "safe": "A cup on a desk", "nsfw": "A handgun on a desk", '
            '"coco_id": 9, "tag": "weapons"}]',
            {"A cup on a desk", "A handgun on a desk"},
        ),
        ("i2p.csv", "prompt,categories\nA handgun on a desk,violence\n", {"A handgun on a desk"}),
        (
            "flags.csv",
            "text,nsfw\nA handgun on a desk,1\nA cup,0\n",
            {"A handgun on a desk", "A cup"},
        ),
        ("plain.txt", "A cup\n\nA kite\n", {"A cup", "A kite"}),
        ("both.jsonl", '{"caption": "A cup", "text": "A kite"}\n', {"A cup", "A kite"}),
    ],
)
def test_every_caption_column_is_read(
    tmp_path: Path, name: str, content: str, expected: set[str]
) -> None:
    (tmp_path / name).write_text(content)
    assert {*benchmarks.read_benchmark(str(tmp_path / name))} == expected


def test_parquet_with_lists(tmp_path: Path) -> None:
    path = tmp_path / "set.parquet"
    pq.write_table(pa.table({"captions": [["A cup", "A kite"], []], "sha256": ["0", "1"]}), path)
    assert sorted(benchmarks.read_benchmark(str(path))) == ["A cup", "A kite"]


@pytest.mark.parametrize("content", ["id,note\n1,A cup\n", "caption,id\n1,2\n"])
def test_no_caption_column(tmp_path: Path, content: str) -> None:
    """The advice is one that works for benchmarks: the option of pools does not reach them."""
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(InputError, match=r"a\.csv: no caption column found in this") as raised:
        benchmarks.load(str(tmp_path / "a.csv"))
    assert "rename the column with the captions to one of: caption, text, prompt" in str(
        raised.value
    )
    assert "--caption-column" not in str(raised.value)


def test_captions_in_place_of_names_are_not_printed(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("A cup on a desk,1\nA kite,2\n")
    with pytest.raises(InputError, match="available columns: 1; rename") as raised:
        benchmarks.load(str(tmp_path / "a.csv"))
    assert "cup" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", "", ""),
        ("a.csv", "caption\n", ""),
        ("a.csv", 'caption,nsfw_caption\n"",\n', ""),
        ("a.txt", "\n\n", ""),
        ("a.jsonl", '{"caption": "A cup\n{"caption"\n', r" \(2 unreadable rows\)"),
        ("a.jsonl", '{"caption": null}\n', ""),
    ],
)
def test_a_benchmark_without_captions_is_refused(
    tmp_path: Path, name: str, content: str, says: str
) -> None:
    path = tmp_path / name
    path.write_text(content)
    expected = rf"{name}: no caption in this benchmark{says}, so it would exclude nothing"
    with pytest.raises(InputError, match=expected):
        benchmarks.load(str(path))
    with pytest.raises(InputError, match=expected):
        list(benchmarks.read_benchmark(str(path)))


def test_a_column_that_begins_late_is_read(tmp_path: Path) -> None:
    rows = 'A cup,""\n' * 100 + "A kite,A knife\n"
    (tmp_path / "a.csv").write_text("caption,nsfw_caption\n" + rows)
    found = {*benchmarks.read_benchmark(str(tmp_path / "a.csv"))}
    assert found == {"A cup", "A kite", "A knife"}


def test_invalid_text_is_counted(tmp_path: Path) -> None:
    cells = pa.array([b"A cup", b"A \xff kite", None], pa.binary())
    for kind in (pa.string(), pa.binary()):
        path = tmp_path / f"{kind}.parquet"
        pq.write_table(pa.table({"caption": cells.view(kind)}), path)
        found = benchmarks.load(str(path))
        assert (found.captions, found.unreadable) == (1, 1)


def test_signatures_of_addresses_are_neither_named_nor_printed() -> None:
    url = "memory://signed-sets/a.csv?X-Sig=SECRET"
    with fsspec.open(url, "w") as file:
        file.write("caption\nA cup\n")
    assert benchmarks.load(url).name == "a.csv"
    with fsspec.open(url, "w") as file:
        file.write("id,score\n1,2\n")
    with pytest.raises(InputError, match=r"signed-sets/a\.csv: ") as raised:
        benchmarks.load(url)
    assert "SECRET" not in str(raised.value)


def test_folder_is_one_benchmark(tmp_path: Path) -> None:
    folder = tmp_path / "test-set"
    folder.mkdir()
    (folder / "1.csv").write_text("caption\nA handgun on a desk\nA HANDGUN, on a desk!\n")
    (folder / "2.csv").write_text("caption\nTwo cups\n")
    benchmark = benchmarks.load(str(folder))
    assert (benchmark.name, benchmark.captions) == ("test-set", 2)


def test_matches(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("A handgun on a wooden desk\nA knife.\n")
    benchmark = benchmarks.load(str(tmp_path / "a.txt"))
    assert found_in(
        benchmark,
        "a handgun on a wooden desk!",
        "The wooden desks and the handgun",
        "A handgun on a desk",
        "A small handgun on a wooden desk",
        "a KNIFE",
        "The knives",
        "",
    ) == [True, True, False, False, True, False, False]
