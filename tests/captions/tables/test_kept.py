"""Kept columns: what a cell becomes, which type holds a column, and that values come back."""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsfwcaps.captions.tables.kept import Cells, ColumnType, decoded, listed, spelt, widened

SIMPLE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=("Cs",))).map(str.strip),
)


def through(values: list[Any], *, untyped: bool = False) -> tuple[str, list[Any]]:
    """Type and values of a column, encoded row by row and decoded as a whole."""
    cells = Cells(untyped=untyped)
    rows = [cells.encode({"Own": value}, {"name": "Own"}) for value in values]
    kind = widened(cells.kinds().get("name", []))
    return kind.value, decoded(rows, {"name": kind})["name"]


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        (["1", "-20", "0"], "int64", [1, -20, 0]),
        (["1", "", "3"], "int64", [1, None, 3]),
        (["1", "2.5", ".5", "1.5e3"], "float64", [1.0, 2.5, 0.5, 1500.0]),
        (["007", "8"], "string", ["007", "8"]),
        (["1", "two"], "string", ["1", "two"]),
        (["True", "false", "TRUE"], "bool", [True, False, True]),
        (["true", "1"], "string", ["true", "1"]),
        (["9223372036854775807"], "int64", [2**63 - 1]),
        (["9223372036854775808"], "string", ["9223372036854775808"]),
        (["+5", "1,000"], "string", ["+5", "1,000"]),
        (["", "  "], "string", [None, None]),
        (["cc-by-4.0", "https://example.org/?a=1&b=2"], "string", None),
    ],
)
def test_cells_of_text_tables_have_the_type_of_their_values(
    values: list[str], kind: str, expected: list[Any] | None
) -> None:
    assert through(values, untyped=True) == (kind, values if expected is None else expected)


@pytest.mark.parametrize(
    ("values", "kind", "expected"),
    [
        ([9, None, 7], "int64", [9, None, 7]),
        ([9, 2.5], "float64", [9.0, 2.5]),
        ([1.0, float("nan")], "float64", [1.0, None]),
        ([True, False], "bool", [True, False]),
        ([True, 1], "string", ["true", "1"]),
        (["12", "13"], "string", ["12", "13"]),  # text that the format calls text
        ([b"12", "\u00e9".encode(), b"\xff"], "string", ["12", "\u00e9", "\ufffd"]),
        ([9, "x"], "string", ["9", "x"]),
        ([{"a": [1, "\u00e9"]}, [b"x", None]], "string", ['{"a":[1,"\u00e9"]}', '["x",null]']),
        ([2**64], "string", ["18446744073709551616"]),
        ([date(2020, 1, 2), Decimal("1.50")], "string", ["2020-01-02", "1.50"]),
        (["\ud83d"], "string", ["?"]),  # half a character
    ],
)
def test_typed_cells_keep_their_types(values: list[Any], kind: str, expected: list[Any]) -> None:
    assert through(values) == (kind, expected)


@given(st.lists(SIMPLE))
def test_values_of_one_type_come_back(values: list[Any]) -> None:
    kind, found = through(values)
    kinds = {type(value) for value in values if value not in (None, "")}
    if len(kinds) == 1:
        assert kind == {bool: "bool", int: "int64", float: "float64", str: "string"}[kinds.pop()]
        assert found == [None if value == "" else value for value in values]
    assert [value is None for value in found] == [value in (None, "") for value in values]


@given(st.lists(st.sampled_from(["1", "02", "1.5", "true", "x", ""])))
def test_no_text_is_lost_whatever_the_company(values: list[str]) -> None:
    kind, found = through(values, untyped=True)
    if kind == ColumnType.TEXT:
        assert found == [value or None for value in values]


def test_nulls_are_left_out_of_the_json() -> None:
    cells = Cells(untyped=False)
    row = {"a": None, "b": 1, "c": ""}
    assert json.loads(cells.encode(row, {"a": "a", "b": "b", "c": "c", "d": "gone"})) == {"b": 1}
    assert cells.kinds() == {"a": [], "b": ["int64"], "c": [], "d": []}


def test_names_take_commas_and_repetition() -> None:
    assert listed(["incremental_id,coco_id", " license ,", "url", "COCO_ID"]) == (
        *("incremental_id", "coco_id"),
        *("license", "url"),
    )


def test_the_pools_spelling_is_found_and_an_exact_name_wins() -> None:
    assert spelt(["coco_id", "url"], ["COCO ID", "coco_id", " URL"]) == {
        "coco_id": "coco_id",
        "url": " URL",
    }
    assert spelt(["url"], ["urls"]) == {}
