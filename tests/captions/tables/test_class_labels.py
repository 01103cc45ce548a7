"""Class labels of `datasets`: the names, not the numbers, reach a pool."""

from __future__ import annotations

import json
from typing import Any

import datasets
import pyarrow as pa
import pytest

from nsfwcaps.captions.tables.class_labels import named_classes

LABELS = datasets.ClassLabel(names=["safe", "unsafe"])


def saved(ratings: list[int | None]) -> pa.Table:
    """A table as `datasets` holds it in memory and writes it."""
    features = datasets.Features({"caption": datasets.Value("string"), "rating": LABELS})
    rows = {"caption": ["A kite."] * len(ratings), "rating": ratings}
    return datasets.Dataset.from_dict(rows, features=features).data.table


def test_numbers_become_names_and_unknown_classes_null() -> None:
    table = saved([1, 0, None, -1])
    found = named_classes(table, table.schema)
    assert found["rating"].to_pylist() == ["unsafe", "safe", None, None]
    assert found["caption"].to_pylist() == ["A kite."] * 4
    assert found.schema.names == ["caption", "rating"]


def test_a_number_without_a_name_stays_as_text() -> None:
    table = saved([0, 1])
    odd = table.set_column(1, "rating", pa.array([7, -2], pa.int64()))
    assert named_classes(odd, table.schema)["rating"].to_pylist() == ["7", "-2"]


def test_batches_and_a_choice_of_columns() -> None:
    table = saved([1, 0])
    batch = table.to_batches()[0]
    assert named_classes(batch, table.schema).column("rating").to_pylist() == ["unsafe", "safe"]
    chosen = batch.select(["caption"])
    assert named_classes(chosen, table.schema) is chosen


@pytest.mark.parametrize("kind", [datasets.List, datasets.Sequence, datasets.LargeList, list])
def test_lists_of_classes(kind: Any) -> None:
    feature = [LABELS] if kind is list else kind(LABELS)
    features = datasets.Features({"ratings": feature})
    ratings = [[1, 0], [], None, [-1, 1]]
    table = datasets.Dataset.from_dict({"ratings": ratings}, features=features).data.table
    found = named_classes(table, table.schema)["ratings"].to_pylist()
    assert found == [["unsafe", "safe"], [], None, ["unsafe"]]


@pytest.mark.parametrize("kind", [pa.uint8(), pa.int8(), pa.uint64()])
def test_integers_of_any_width(kind: pa.DataType) -> None:
    table = saved([1, 0])
    narrow = table.set_column(1, "rating", pa.array([1, 0, None], kind)[:2])
    assert named_classes(narrow, table.schema)["rating"].to_pylist() == ["unsafe", "safe"]


@pytest.mark.parametrize(
    "note",
    [
        None,
        "no JSON",
        "[]",
        "null",
        json.dumps({"info": {}}),
        json.dumps({"info": {"features": {"rating": {"_type": "ClassLabel"}}}}),
        json.dumps({"info": {"features": {"rating": {"_type": "Value", "dtype": "int64"}}}}),
    ],
)
def test_other_metadata_changes_nothing(note: Any) -> None:
    table = saved([1, 0]).replace_schema_metadata({"huggingface": note} if note else None)
    assert named_classes(table, table.schema) is table


def test_a_column_that_holds_the_names_already_stays() -> None:
    table = saved([1, 0])
    named = table.set_column(1, "rating", pa.array(["unsafe", "safe"]))
    assert named_classes(named, table.schema) is named
