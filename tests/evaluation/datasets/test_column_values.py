"""Columns that figures may be given by, and those that are refused without quoting a value."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from support.set_files import png, write_table

from nsfwcaps.errors import InputError
from nsfwcaps.evaluation.datasets.pairs import read_pairs
from nsfwcaps.progress import Silent

COUNT = 24


def table(count: int = COUNT, **columns: list[Any]) -> list[dict[str, Any]]:
    return [
        {
            "unsafe_caption": f"A handgun on table {number}.",
            "safe_caption": f"A cup on table {number}.",
            **{name: values[number % len(values)] for name, values in columns.items()},
        }
        for number in range(count)
    ]


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    """Write rows in the format of the suffix."""
    if path.suffix == ".parquet":
        return write_table(path, rows)
    with path.open("w", newline="") as file:
        if path.suffix == ".jsonl":
            file.writelines(f"{json.dumps(row)}\n" for row in rows)
        else:
            table = csv.DictWriter(file, [*rows[0]])
            table.writeheader()
            table.writerows(rows)
    return path


def groups(path: Path, rows: list[dict[str, Any]], by: str) -> set[str]:
    found = read_pairs("some", str(path), None, None, Silent(), by=by)
    assert found.categories is not None
    assert len(found.categories) == len(rows)
    return {*found.categories.tolist()}


@pytest.mark.parametrize("suffix", ["parquet", "jsonl", "csv"])
@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["added", "replaced", None], {"added", "replaced", "none"}),
        (["easy", "hard"], {"easy", "hard"}),
        ([True, False], {"True", "False"}),
        ([1, 2, 3], {"1", "2", "3"}),
    ],
)
def test_words_flags_and_whole_numbers_divide_pairs(
    suffix: str, values: list[Any], expected: set[str], tmp_path: Path
) -> None:
    rows = table(edit=values)
    path = written(tmp_path / f"set.{suffix}", rows)
    assert {text.lower() for text in groups(path, rows, "edit")} == {
        text.lower() for text in expected
    }


SECRET = "A broken window at night"


@pytest.mark.parametrize("suffix", ["parquet", "jsonl", "csv"])
@pytest.mark.parametrize(
    ("column", "values", "told"),
    [
        ("sim_text", [0.25, 0.5], "other values than text"),
        ("note", [f"{SECRET} {n}." for n in range(COUNT)], "of its own for 24 of 24 pairs"),
        ("note", ["other", "A handgun on table 3."], "holds captions"),
        ("note", ["other", "A  cup on table 3. "], "holds captions"),
        ("mark", ["0123456789abcdef", "123456789abcdef0"], "holds ids"),
        ("place", ["a/1.png", "a/2.png"], "holds paths"),
        ("unsafe_id", ["a", "b"], "'unsafe_id' .--by. holds ids"),
        ("pair_id", ["a", "b"], "holds ids"),
        ("safe_image_path", ["a.png", "b.png"], "holds pictures or paths"),
        ("safe_image_sha256", ["a", "b"], "holds ids"),
    ],
)
def test_what_divides_pairs_into_no_groups_is_refused(
    suffix: str, column: str, values: list[Any], told: str, tmp_path: Path
) -> None:
    rows = table(**{column: values})
    path = written(tmp_path / f"set.{suffix}", rows)
    with pytest.raises(InputError, match=told) as refused:
        groups(path, rows, column)
    assert "table 3" not in str(refused.value)
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    ("column", "value", "told"),
    [
        ("safe_image", png(1), "holds pictures"),
        ("other", png(1), "holds bytes|other values"),
        ("other", ["a", "b"], "other values than text"),
    ],
)
def test_bytes_and_lists_are_refused(column: str, value: object, told: str, tmp_path: Path) -> None:
    rows = table(**{column: [value]})
    path = write_table(tmp_path / "set.parquet", rows)
    with pytest.raises(InputError, match=told) as refused:
        groups(path, rows, column)
    assert "PNG" not in str(refused.value)


def test_a_few_pairs_may_have_a_value_each(tmp_path: Path) -> None:
    rows = table(20, edit=[f"kind {n}" for n in range(20)])
    path = write_table(tmp_path / "set.parquet", rows)
    assert len(groups(path, rows, "edit")) == 20
    # Half of them is not more than half.
    rows = table(22, edit=[*(f"kind {n}" for n in range(11)), *["same"] * 11])
    path = write_table(tmp_path / "half.parquet", rows)
    assert len(groups(path, rows, "edit")) == 12
