"""Runs of construct and illustrate, and what they leave."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from support.shell import Said, call


def recipe(path: Path, construct: dict[str, Any], illustrate: dict[str, Any]) -> Path:
    """Write a recipe of the two stages."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"construct": construct, "illustrate": illustrate}))
    return path


def illustrate(folder: Path, construct: dict[str, Any], **settings: Any) -> Said:
    """Run the two stages."""
    path = recipe(folder.parent / f"{folder.name}-recipe.json", construct, settings)
    return call("run", path, "-w", folder)


def images(folder: Path) -> list[dict[str, Any]]:
    """Rows of the delivered pool."""
    found: list[dict[str, Any]] = []
    for path in sorted((folder / "pools" / "illustrated").glob("*.parquet")):
        found += pq.read_table(path, partitioning=None).to_pylist()
    return found


def record(folder: Path) -> Any:
    """The record of the stage."""
    return json.loads((folder / "illustrate" / "stage.json").read_text())


def rejects(folder: Path) -> list[dict[str, Any]]:
    """Rows of the table of rejects."""
    return [
        row
        for path in sorted((folder / "illustrate").glob("rejects-*.parquet"))
        for row in pq.read_table(path).to_pylist()
    ]


def drawn(folder: Path) -> dict[str, bytes]:
    """Every picture that was drawn, by its name."""
    files = (folder / "illustrate" / "pictures").iterdir()
    return {path.name: path.read_bytes() for path in sorted(files)}
