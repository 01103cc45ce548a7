"""Pools for construct, and what it makes of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from support.shell import Said, call

WORD = "stonebrook"
"""In every caption; a compound, as the rules leave misspelt captions alone."""

_THINGS = ("vase", "cup", "lamp", "book", "clock", "bag", "bottle", "plate", "camera", "box")
_COLOURS = ("red", "blue", "green", "white", "black", "yellow", "brown", "small", "large", "tall")
_PLACES = ("wooden table", "kitchen counter", "desk", "bench", "shelf", "bed")


def captions(count: int) -> list[str]:
    """Captions of distinct wording that the rules can edit."""
    return [
        f"A {_COLOURS[n // 10 % 10]} {_THINGS[n % 10]} of {WORD} sits on a "
        f"{_COLOURS[n // 7 % 10]} {_PLACES[n % 6]} near the end of corridor {n}."
        for n in range(count)
    ]


def write_pool(path: Path, texts: Sequence[str], **columns: Sequence[Any]) -> Path:
    """Write captions, with other columns beside them, as JSON lines."""
    rows = [
        {"caption": text, **{name: values[n] for name, values in columns.items()}}
        for n, text in enumerate(texts)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def recipe(folder: Path, pool: Path, **settings: Any) -> Path:
    """A recipe of the one stage."""
    path = folder / "recipe.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"construct": {"pool": str(pool), **settings}}))
    return path


def construct(folder: Path, pool: Path, **settings: Any) -> Said:
    """Run the one stage."""
    path = recipe(folder.parent / f"{folder.name}-recipe", pool, **settings)
    said = call("run", path, "-w", folder)
    assert WORD not in said.out + said.err, "a caption was printed"
    return said


def rows(folder: Path, label: str) -> list[dict[str, Any]]:
    """Rows of a delivered pool, in the order of its files."""
    found: list[dict[str, Any]] = []
    for path in sorted((folder / "pools" / label).glob("*.parquet")):
        found += pq.read_table(path, partitioning=None).to_pylist()
    return found


def rejects(folder: Path) -> list[dict[str, Any]]:
    """Rows of every table of rejects."""
    return [
        row
        for path in sorted((folder / "construct").glob("rejects-*.parquet"))
        for row in pq.read_table(path).to_pylist()
    ]


def record(folder: Path) -> Any:
    """The record of the stage."""
    return json.loads((folder / "construct" / "stage.json").read_text())
