"""Pools that a test writes, and a workdir beside them to ingest into."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from nsfwcaps.artifacts import StageRecord
from nsfwcaps.pipeline import run_stage
from nsfwcaps.progress import Silent
from nsfwcaps.stages import STAGE
from nsfwcaps.stages.ingest.settings import IngestSettings
from nsfwcaps.tables import read_tables


@dataclass(frozen=True)
class Place:
    """A folder with pools and workdirs in it."""

    folder: Path

    def write(self, name: str, content: str | bytes) -> str:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)

    def pool(self, name: str, rows: Iterable[str | Mapping[str, Any]]) -> str:
        """Write JSON lines; a string is a row with that caption."""
        items = ({"caption": row} if isinstance(row, str) else row for row in rows)
        return self.write(name, "".join(json.dumps(item) + "\n" for item in items))

    def ingest(self, workdir: str = "work", **settings: Any) -> StageRecord:
        values = IngestSettings(**settings)
        return run_stage(STAGE["ingest"], values, self.folder / workdir, Silent()).record


def table(record: StageRecord, group: str) -> pa.Table:
    """Every row of a group, in order."""
    return pa.concat_tables(read_tables(record.paths(group)))


def copies(record: StageRecord, group: str) -> dict[str, int]:
    """Captions of a group with the number of pool rows that were folded into each."""
    rows = table(record, group).to_pylist()
    return {row["caption"]: row["copies"] for row in rows}


def rejects(record: StageRecord) -> list[tuple[Any, ...]]:
    """Source, row, reason, label and raw caption of what was set aside."""
    return [tuple(row.values()) for row in table(record, "rejects").to_pylist()]
