"""publish: captions of nodes, from a copy in the order of the nodes; the pool is read by range."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from support.small_release import build, prepare, tiny_world

from nsfwcaps.artifacts import StageFolder, StageRecord
from nsfwcaps.stages.publish import captions
from nsfwcaps.stages.publish.captions import NodeCaptions, captions_of
from nsfwcaps.stages.publish.nodes import read_nodes
from nsfwcaps.tables import read_tables

COLUMNS = ["caption", "source", "category"]


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> dict[str, StageRecord]:
    folder = tmp_path_factory.mktemp("run")
    recipe = prepare(tiny_world(unsafe=9, safe=12), folder)
    return build({name: recipe[name] for name in ("ingest", "embed")}, folder / "work")


def ids_of(record: StageRecord, label: str) -> list[str]:
    return pa.concat_tables(read_tables(record.paths(label), ["id"]))["id"].to_pylist()


def test_rows_are_given_by_node_in_any_order(
    records: dict[str, StageRecord], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files of four nodes; two safe captions and one unsafe one are no nodes."""
    monkeypatch.setattr(captions, "NODE_ROWS", 4)
    ingest = records["ingest"]
    unsafe, safe = ids_of(ingest, "unsafe")[1:], ids_of(ingest, "safe")[2:]
    folder = StageFolder(tmp_path)
    folder.prepare()
    ids = {"unsafe": pa.array(unsafe), "safe": pa.array(safe)}
    nodes = read_nodes(folder, records["embed"], ids, "content")
    assert nodes.count == len(unsafe) + len(safe) == 18
    stored = NodeCaptions(folder, ingest, nodes, COLUMNS)
    asked = np.array([17, 0, -1, 8, 7, 0, 12])
    names = [None if node < 0 else [*unsafe, *safe][node] for node in asked.tolist()]
    everything = {
        row["id"]: {name: row[name] for name in COLUMNS}
        for label in ("unsafe", "safe")
        for table in read_tables(ingest.paths(label))
        for row in table.to_pylist()
    }
    nothing = dict.fromkeys(COLUMNS)
    expected = [everything.get(str(name), nothing) for name in names]
    assert stored.take(asked).to_pylist() == expected
    assert stored.take(np.array([-1, -1])).to_pylist() == [nothing, nothing]


def test_only_files_with_an_id_in_range_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = StageFolder(tmp_path)
    folder.prepare()
    record = _record(folder, [["a", "c"], ["e", "g"], ["i", "k"]])
    read: list[str] = []

    def watched(paths: Sequence[Path], columns: Sequence[str] | None = None) -> Any:
        if columns != ["id"]:
            read.extend(path.name[:6] for path in paths)
        return read_tables(paths, columns)

    monkeypatch.setattr(captions, "read_tables", watched)
    asked = pa.chunked_array([["g", "f"], [None, "e"]], pa.string())
    found = captions_of(record, "safe", asked, ["caption"])
    assert found["caption"].to_pylist() == ["about g", None, None, "about e"]
    assert read == ["safe-1"]


def _record(folder: StageFolder, files: list[list[str]]) -> StageRecord:
    from nsfwcaps.artifacts import ShardTables, StageResult

    def tables(number: int, ids: list[str]) -> ShardTables:
        table = pa.table({"id": ids, "caption": [f"about {name}" for name in ids]})
        return ShardTables(tables={("safe", f"safe-{number}"): table}, rows_in=len(ids))

    shards = [
        folder.make_shard(f"{number:012d}", lambda of=(number, ids): tables(*of))  # type: ignore[misc]
        for number, ids in enumerate(files)
    ]
    return folder.finish(
        stage="ingest",
        fingerprint="one",
        version="1",
        settings={},
        inputs={},
        result=StageResult(shards=shards),
        seconds=0.0,
    )
