"""Files of vectors rewritten: for another encoder, or in the layout of earlier versions."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from nsfwcaps.tables import ARROW, PARQUET, arrow_bytes, parquet_bytes, read_tables
from nsfwcaps.vectors.columns import ENCODER_KEY


def write_table(path: Path, table: pa.Table) -> None:
    """Write a table in the format of the path's ending."""
    path.write_bytes(arrow_bytes(table) if path.suffix == ARROW else parquet_bytes(table))


def rename_encoder(path: Path) -> None:
    """Leave the vectors and change what the file says of their encoder."""
    (table,) = read_tables([path])
    # Held in memory: the file that it maps is about to be overwritten.
    data = arrow_bytes(table.replace_schema_metadata({ENCODER_KEY: b"another"}))
    path.unlink()
    path.write_bytes(data)


def as_parquet(stage: Path, prefix: str = "") -> list[Path]:
    """Rewrite the Arrow files of a stage whose names have a prefix as earlier versions wrote them.

    The record and the journal name the new files, as they would have then.
    """
    made = {}
    for path in sorted(stage.glob(f"{prefix}*{ARROW}")):
        (table,) = read_tables([path])
        old = path.with_suffix(PARQUET)
        write_table(old, table)
        made[path.name] = old
        path.unlink()
    record, journal = stage / "stage.json", stage / "shards.jsonl"
    record.write_text(json.dumps(_renamed(json.loads(record.read_text()), made)))
    rows = [_renamed(json.loads(line), made) for line in journal.read_text().splitlines()]
    journal.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return list(made.values())


def _renamed(row: dict[str, Any], made: Mapping[str, Path]) -> dict[str, Any]:
    for file in row["files"]:
        if path := made.get(file["path"]):
            data = path.read_bytes()
            sha256 = hashlib.sha256(data).hexdigest()
            file.update(path=path.name, bytes=len(data), sha256=sha256)
    return row
