"""Pools that a program gives: what is a file, what is a caption, and what is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nsfwcaps.api.pools import given_pool, remove_others, write
from nsfwcaps.errors import InputError

TEXTS = ["A vase on a table.", "A kite über a beach."]
FRAME = pd.DataFrame({"caption": TEXTS, "category": ["x", "y"]}, index=[7, 3])


@pytest.mark.parametrize(
    ("value", "paths"),
    [
        ("coco.jsonl", ("coco.jsonl",)),
        (Path("pools/coco.jsonl"), ("pools/coco.jsonl",)),
        ("https://example.org/a.parquet", ("https://example.org/a.parquet",)),
        ("my pool.csv.gz", ("my pool.csv.gz",)),
        ("my pools*", ("my pools*",)),
        ("pool {1..3}", ("pool {1..3}",)),
        ("/data/my pool", ("/data/my pool",)),
        ("s3://bucket/my pool", ("s3://bucket/my pool",)),
        ("coco", ("coco",)),
        ([Path("a.jsonl"), Path("b.csv")], ("a.jsonl", "b.csv")),
        ((Path("a.jsonl"),), ("a.jsonl",)),
        (None, ()),
    ],
)
def test_a_str_or_path_is_a_name(value: Any, paths: tuple[str, ...]) -> None:
    found = given_pool("safe", value)
    assert (found.paths, found.name) == (paths, None)


def test_a_folder_whose_name_has_a_space_is_a_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my pool").mkdir()
    monkeypatch.chdir(tmp_path)
    assert given_pool("safe", "my pool").paths == ("my pool",)


COLUMNS: dict[str, Any] = {
    "list": TEXTS,
    "tuple": tuple(TEXTS),
    "generator": (text for text in TEXTS),
    "Series": FRAME["caption"],
    "category Series": FRAME["caption"].astype("category"),
    "array": pa.array(TEXTS),
    "large array": pa.array(TEXTS, pa.large_string()),
    "view array": pa.array(TEXTS, pa.string_view()),
    "dictionary array": pa.array(TEXTS).dictionary_encode(),
    "chunked array": pa.chunked_array([[TEXTS[0]], [TEXTS[1]]]),
    "numpy array": np.array(TEXTS),
    "datasets column": datasets.Dataset.from_dict({"text": TEXTS})["text"],
}


@pytest.mark.parametrize("kind", COLUMNS)
def test_a_column_of_any_library_becomes_the_same_file(kind: str, tmp_path: Path) -> None:
    pool = given_pool("safe", COLUMNS[kind])
    expected = given_pool("safe", TEXTS)
    assert pool.name == expected.name
    assert bytes(pool.data) == bytes(expected.data)
    write([pool], tmp_path)
    assert pool.paths == (f"run:inputs/{pool.name}",)
    written = pq.read_table(tmp_path / "inputs" / str(pool.name))
    assert written.to_pydict() == {"caption": TEXTS}


TABLES: dict[str, Any] = {
    "DataFrame": FRAME,
    "Table": pa.table({"caption": TEXTS, "category": ["x", "y"]}),
    "RecordBatch": pa.record_batch({"caption": TEXTS, "category": ["x", "y"]}),
    "Dataset": datasets.Dataset.from_dict({"caption": TEXTS, "category": ["x", "y"]}),
    "filtered Dataset": datasets.Dataset.from_dict(
        {"caption": ["no", *TEXTS], "category": ["z", "x", "y"]}
    ).select([1, 2]),
}


@pytest.mark.parametrize("kind", TABLES)
def test_a_table_of_any_library_becomes_the_same_file(kind: str, tmp_path: Path) -> None:
    pool = given_pool("unsafe", TABLES[kind])
    write([pool], tmp_path)
    assert pool.name == given_pool("unsafe", TABLES["Table"]).name
    written = pq.read_table(tmp_path / "inputs" / str(pool.name))
    assert written.to_pydict() == {"caption": TEXTS, "category": ["x", "y"]}


INDEXED: dict[str, Any] = {
    "captions": FRAME.set_index("caption"),
    "two levels": FRAME.set_index(["caption", "category"]),
    "one of two levels": FRAME.set_index("caption", append=True),
}


@pytest.mark.parametrize("kind", INDEXED)
def test_a_named_index_is_a_column(kind: str) -> None:
    table = pq.read_table(pa.BufferReader(given_pool("unsafe", INDEXED[kind]).data))
    assert table.to_pydict() == {"caption": TEXTS, "category": ["x", "y"]}


def test_an_index_named_as_a_column_is_left_out() -> None:
    frame = FRAME.set_index(pd.Index(["no", "neither"], name="caption"))
    assert given_pool("safe", frame).name == given_pool("safe", FRAME).name


def test_class_labels_become_their_names() -> None:
    labels = datasets.ClassLabel(names=["safe", "unsafe"])
    features = datasets.Features({"caption": datasets.Value("string"), "rating": labels})
    dataset = datasets.Dataset.from_dict({"caption": TEXTS, "rating": [1, 0]}, features=features)
    for value in (
        dataset,
        dataset.select([0, 1]),
        dataset.with_format("numpy"),
        dataset.data.table,
    ):
        table = pq.read_table(pa.BufferReader(given_pool("pool", value).data))
        assert table.to_pydict() == {"caption": TEXTS, "rating": ["unsafe", "safe"]}


def test_missing_cells_stay_missing() -> None:
    frame = pd.DataFrame({"caption": ["A vase.", None]})
    table = pq.read_table(pa.BufferReader(given_pool("safe", frame["caption"]).data))
    assert table["caption"].to_pylist() == ["A vase.", None]


def test_the_ways_out_of_datasets_work() -> None:
    expected = given_pool("safe", ROWS).name
    stream = ROWS.to_iterable_dataset()
    assert given_pool("safe", datasets.Dataset.from_list([*stream])).name == expected
    assert given_pool("safe", ROWS.with_transform(dict).with_format(None)).name == expected
    assert given_pool("safe", stream["caption"]).name == expected


def test_the_name_follows_from_the_content() -> None:
    names = {
        str(given_pool(label, texts).name)
        for label in ("safe", "unsafe")
        for texts in (TEXTS, TEXTS[::-1], TEXTS[:1])
    }
    assert len(names) == 6
    assert all(len(name.rpartition("-")[2]) == len("0123456789abcdef.parquet") for name in names)


def test_a_file_that_is_there_is_not_written_again(tmp_path: Path) -> None:
    pool = given_pool("safe", TEXTS)
    write([pool], tmp_path)
    path = tmp_path / "inputs" / str(pool.name)
    before = path.stat().st_mtime_ns
    write([pool], tmp_path)
    assert path.stat().st_mtime_ns == before


def test_captions_of_earlier_calls_are_removed_and_other_files_stay(tmp_path: Path) -> None:
    old, new = given_pool("safe", TEXTS), given_pool("safe", TEXTS[:1])
    write([old, new], tmp_path)
    (tmp_path / "inputs" / "mine.parquet").write_bytes(b"of the user")
    remove_others([new], tmp_path)
    left = {path.name for path in (tmp_path / "inputs").iterdir()}
    assert left == {new.name, "mine.parquet"}
    remove_others([], tmp_path / "nowhere")


ROWS = datasets.Dataset.from_dict({"caption": TEXTS})


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (7, r"safe: expected captions .*, got int"),
        ({"caption": TEXTS}, "got dict"),
        (b"A vase.", "got bytes"),
        (datasets.DatasetDict(train=ROWS), r"safe: DatasetDict .*choose one, such as value\['tr"),
        (FRAME.groupby("caption"), r"item 0 is tuple; .*; pass rows as a table"),
        (np.array("A vase."), "got ndarray"),
        ([{"caption": "A vase."}], r"item 0 is dict; .*; pass rows as a table"),
        (ROWS.to_iterable_dataset(), r"safe: IterableDataset .*Dataset\.from_list\(list\(value\)"),
        (ROWS.with_transform(lambda rows: rows), r"has a transform, .*apply it with map\(\)"),
        (pd.DataFrame([TEXTS], columns=["vase", "vase"]), "several columns have the same name"),
        ("A vase on a table", "safe: a str names a file, .*; pass captions as a list"),
        ("A lone vase, a cup/mug?", "pass captions as a list"),
        ("A vase. " * 999, "pass captions as a list"),
        (["A vase.", 7], "safe: item 1 is int"),
        (["A vase.", Path("a.jsonl")], "safe: item 1 is PosixPath"),
        (pa.array([1, 2]), "expected a column of strings, got int64"),
        (["s3://bucket/a.jsonl", "s3://bucket/b.jsonl"], "every item names a file or URL"),
        ([__file__], "every item names a file or URL"),
        (["A lone \ud800 surrogate"], "not valid Unicode"),
    ],
)
def test_what_is_no_pool_is_refused(value: Any, says: str) -> None:
    with pytest.raises(InputError, match=says) as raised:
        given_pool("safe", value)
    assert "vase" not in str(raised.value)
    assert "lone" not in str(raised.value)


def test_missing_captions_of_a_list_are_set_aside_and_counted() -> None:
    import nsfwcaps

    (side,) = nsfwcaps.inspect(["A vase.", None, float("nan"), pd.NA, "NULL", "A cup."]).sides
    assert side.captions == 2
    assert side.unusable == {"empty": 3, "null_word": 1}
