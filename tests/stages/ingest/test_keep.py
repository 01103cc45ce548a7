"""ingest, kept columns: their cells travel with the captions, from every format, and are typed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.ingest_place import Place, table

from nsfwcaps import schema
from nsfwcaps.artifacts import StageRecord
from nsfwcaps.config import parse
from nsfwcaps.errors import ConfigError, InputError
from nsfwcaps.stages.ingest.settings import IngestSettings

# The shape of ViSU-Text: both sides in a row.
ROWS = [
    {
        "incremental_id": number,
        "safe": f"A phone on table {number}",
        "nsfw": f"A handgun on table {number}",
        "coco_id": 90 + number,
        "tag": "weapons",
    }
    for number in range(3)
]
IDS = {
    f"A {thing} on table {number}": {"incremental_id": number, "coco_id": 90 + number}
    for number in range(3)
    for thing in ("phone", "handgun")
}


def kept(record: StageRecord) -> dict[str, Any]:
    """Kept cells by caption."""
    return {
        row["caption"]: json.loads(row["kept"])
        for label in ("safe", "unsafe")
        for row in table(record, label).to_pylist()
    }


def csv(rows: list[dict[str, Any]]) -> str:
    lines = [",".join(map(str, row.values())) for row in rows]
    return "\n".join([",".join(rows[0]), *lines]) + "\n"


@pytest.mark.parametrize("name", ["visu.json", "visu.jsonl", "visu.csv", "visu.parquet"])
def test_ids_of_both_sides_survive(place: Place, name: str) -> None:
    if name.endswith(".json"):
        pool = place.write(name, json.dumps(ROWS))
    elif name.endswith(".jsonl"):
        pool = place.pool(name, ROWS)
    elif name.endswith(".csv"):
        pool = place.write(name, csv(ROWS))
    else:
        pool = str(place.folder / name)
        pq.write_table(pa.Table.from_pylist(ROWS), pool)
    record = place.ingest(safe=(pool,), unsafe=(pool,), keep_columns=("incremental_id,coco_id",))
    found = kept(record)
    if name.endswith(".csv"):  # as written; the type is a fact
        found = {c: {k: int(v) for k, v in cells.items()} for c, cells in found.items()}
    assert found == IDS
    assert record.facts["kept_columns"] == {"incremental_id": "int64", "coco_id": "int64"}
    columns = record.facts["pools"][0]["columns"]
    assert columns["kept"] == ["incremental_id", "coco_id"]
    assert "coco_id" not in columns["ignored"]


def test_types_widen_over_pools(place: Place) -> None:
    safe = place.write("safe.csv", "caption,n,x,code\na vase,1,1,007\na cup,2,2.5,8\n")
    first = {"caption": "a handgun", "n": 3.5, "x": 1, "code": 5, "more": {"a": [1]}}
    unsafe = place.pool("unsafe.jsonl", [first, {"caption": "a knife", "n": "three"}])
    record = place.ingest(safe=(safe,), unsafe=(unsafe,), keep_columns=("n", "x,code", "more"))
    assert record.facts["kept_columns"] == {
        "n": "string",
        "x": "float64",
        "code": "string",
        "more": "string",
    }
    assert kept(record) == {
        "a vase": {"n": "1", "x": "1", "code": "007"},
        "a cup": {"n": "2", "x": "2.5", "code": "8"},
        "a handgun": {"n": 3.5, "x": 1, "code": 5, "more": {"a": [1]}},
        "a knife": {"n": "three"},
    }


def test_a_column_first_seen_late_is_kept(place: Place) -> None:
    rows = [{"caption": f"a vase {number}"} for number in range(80)]
    safe = place.pool("safe.jsonl", [*rows, {"caption": "a late vase", "coco_id": 5}])
    record = place.ingest(
        safe=(safe,), unsafe=(place.pool("u.jsonl", ["a handgun"]),), keep_columns=("coco_id",)
    )
    assert kept(record)["a late vase"] == {"coco_id": 5}


@pytest.mark.parametrize("swapped", [False, True])
def test_the_copy_that_is_kept_decides(place: Place, swapped: bool) -> None:
    pools = [
        place.pool("a.jsonl", [{"caption": "a vase", "coco_id": 1}]),
        place.pool("b.jsonl", [{"caption": "a vase", "coco_id": 2}]),
    ]
    unsafe = place.pool("u.jsonl", ["a handgun"])
    safe = tuple(pools[::-1] if swapped else pools)
    record = place.ingest(safe=safe, unsafe=(unsafe,), keep_columns=("coco_id",))
    assert kept(record)["a vase"] == {"coco_id": 1}


def test_every_caption_of_a_row_has_its_cells(place: Place) -> None:
    row = {"caption": ["a vase", "a blue vase"], "coco_id": 4}
    safe = place.pool("safe.jsonl", [row])
    record = place.ingest(
        safe=(safe,), unsafe=(place.pool("u.jsonl", ["a handgun"]),), keep_columns=("coco_id",)
    )
    assert kept(record) == {
        "a vase": {"coco_id": 4},
        "a blue vase": {"coco_id": 4},
        "a handgun": {},
    }


def test_a_pool_may_lack_a_column_and_case_does_not_matter(place: Place) -> None:
    safe = place.pool("safe.jsonl", [{"caption": "a vase", "License": "cc0"}])
    unsafe = place.pool("unsafe.jsonl", ["a handgun"])
    record = place.ingest(safe=(safe,), unsafe=(unsafe,), keep_columns=("license",))
    assert kept(record) == {"a vase": {"license": "cc0"}, "a handgun": {}}
    assert record.facts["kept_columns"] == {"license": "string"}


def test_a_column_of_no_pool_is_an_error_with_a_near_name(place: Place) -> None:
    pool = place.pool("visu.jsonl", ROWS)
    with pytest.raises(InputError, match=r"no pool has the column 'coco_ids'; did you mean 'coco_"):
        place.ingest(safe=(pool,), unsafe=(pool,), keep_columns=("coco_ids",))


def test_bytes_are_not_kept(place: Place) -> None:
    pool = str(place.folder / "safe.parquet")
    pq.write_table(pa.table({"caption": ["a vase"], "picture": [b"\x89PNG"]}), pool)
    with pytest.raises(InputError, match="column 'picture' holds bytes"):
        place.ingest(safe=(pool,), unsafe=(pool,), keep_columns=("picture",), images=False)


@pytest.mark.parametrize("names", [("id2,Id2",), ("id2", "license,ID2")])
def test_names_that_match_the_same_columns_are_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError, match=r"keep_columns: 'id2' and 'I[dD]2' match the same"):
        parse(IngestSettings, {"keep_columns": [*names]}, where="ingest")


@pytest.mark.parametrize(
    "name", ["source", "caption", "id", "image_sha256", "Caption", "image_label", "image"]
)
def test_a_name_that_data_sets_have_already_is_refused_early(name: str) -> None:
    with pytest.raises(ConfigError, match=rf"keep_columns: '{name}' cannot be kept"):
        parse(IngestSettings, {"keep_columns": ["license", name]}, where="ingest")


def test_without_kept_columns_nothing_is_stored(place: Place) -> None:
    pool = place.pool("visu.jsonl", ROWS)
    record = place.ingest(safe=(pool,), unsafe=(pool,))
    assert table(record, "safe").schema.names == schema.CAPTIONS.names
    assert "kept_columns" not in record.facts
    assert "kept" not in record.facts["pools"][0]["columns"]


def test_a_killed_run_goes_on_with_the_same_types(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    from nsfwcaps.stages.ingest import merge, read

    monkeypatch.setattr(read, "_CHUNK_ROWS", 2)
    safe = place.write("safe.csv", "caption,n\n" + "".join(f"a vase {n},{n}\n" for n in range(7)))
    more = place.write("more.csv", "caption,n\na cup,2.5\n")
    unsafe = place.pool("u.jsonl", ["a handgun"])
    settings = {"safe": (safe, more), "unsafe": (unsafe,), "keep_columns": ("n",)}
    whole = place.ingest("whole", **settings)

    def killed(*arguments: object, **named: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(merge, "merge_captions", killed)
        with pytest.raises(KeyboardInterrupt):
            place.ingest("half", **settings)
    record = place.ingest("half", **settings)
    assert record.facts == whole.facts
    assert record.facts["kept_columns"] == {"n": "float64"}
    assert record.output_digest == whole.output_digest
    assert Path(record.folder) != Path(whole.folder)
