"""The result depends on what the pools hold, not on order, files, formats, chunks or shards."""

from __future__ import annotations

import csv
import itertools
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.ingest_place import Place, copies, table

from nsfwcaps import schema
from nsfwcaps.artifacts import StageRecord
from nsfwcaps.stages.ingest import merge, read
from nsfwcaps.stages.ingest.staged import StagedRows
from nsfwcaps.tables import arrow_bytes

# Few different captions, so that pools hold duplicates and share captions.
CAPTIONS = st.lists(
    st.builds("{} {} on a table".format, st.sampled_from("ab"), st.integers(0, 9)), min_size=1
)
FEW = settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
PICTURES = ("1.png", "2.png", "3.png", "same-as-1.png")


@pytest.fixture
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a function that makes a new place, for each example of a property."""
    return lambda: Place(tmp_path_factory.mktemp("place"))


def many(place: Place, *, images: bool = False) -> dict[str, tuple[str, ...]]:
    """Pools of 30 safe and 20 unsafe rows with duplicates, conflicts and rejects."""
    for name in PICTURES if images else ():
        place.write(name, name.removeprefix("same-as-"))
    safe = [{"caption": f"a vase {n % 25} on a table"} for n in range(28)]
    safe += [{"caption": ""}, {"caption": "a thing 3 on a table"}]
    unsafe = [{"caption": f"a thing {n % 18} on a table", "category": f"c{n}"} for n in range(20)]
    unsafe = [row | {"partner_id": f"a vase {n} on a table"} for n, row in enumerate(unsafe)]
    if images:
        # Backwards, so that the path that comes first in order is not the one seen first.
        safe = [row | {"image": PICTURES[-1 - n % 4]} for n, row in enumerate(safe)]
    return {
        "safe": (place.pool("safe.jsonl", safe),),
        "unsafe": (place.pool("unsafe.jsonl", unsafe),),
    }


def rows(record: StageRecord) -> dict[str, pa.Table]:
    return {group: table(record, group) for group in ("safe", "unsafe")}


@FEW
@given(safe=CAPTIONS, unsafe=CAPTIONS)
def test_captions_are_folded_and_sorted_as_a_plain_loop_does(
    fresh: Any, safe: list[str], unsafe: list[str]
) -> None:
    place = fresh()
    safe = [*safe, "a bowl on a table"]  # a safe caption that no unsafe pool has
    kept = {text: safe.count(text) for text in safe if text not in unsafe}
    record = place.ingest(
        safe=(place.pool("s.jsonl", safe),), unsafe=(place.pool("u.jsonl", unsafe),), shard_rows=4
    )
    assert copies(record, "safe") == kept
    assert copies(record, "unsafe") == {text: unsafe.count(text) for text in unsafe}
    for group in ("safe", "unsafe"):
        ids = table(record, group)["id"].to_pylist()
        assert ids == sorted(set(ids))


@FEW
@given(texts=CAPTIONS, seed=st.integers(0, 99), cut=st.integers(0, 99))
def test_captions_are_the_same_in_any_order_and_any_split_into_files(
    fresh: Any, texts: list[str], seed: int, cut: int
) -> None:
    place = fresh()
    unsafe = (place.pool("unsafe.jsonl", ["a handgun on a table"]),)
    shuffled = random.Random(seed).sample(texts, len(texts))
    parts = [part for part in (shuffled[: cut % len(texts)], shuffled[cut % len(texts) :]) if part]
    files = tuple(place.pool(f"part-{n}.jsonl", part) for n, part in enumerate(parts))
    whole = place.ingest("one", safe=(place.pool("whole.jsonl", texts),), unsafe=unsafe)
    split = place.ingest("two", safe=files, unsafe=unsafe)
    columns = ["id", "caption", "copies", "fold_key"]
    assert table(split, "safe").select(columns) == table(whole, "safe").select(columns)


def test_captions_are_the_same_in_every_format(place: Place) -> None:
    texts = [f'a "vase", {n} on a café table' for n in range(9)]
    unsafe = (place.pool("unsafe.jsonl", ["a handgun on a table"]),)
    with (place.folder / "safe.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["text"], *([text] for text in texts)])
    pq.write_table(pa.table({"TEXT": texts}), place.folder / "safe.parquet")
    place.write("safe.txt", "\r\n".join(texts))
    place.pool("safe.jsonl", texts)
    found = [
        place.ingest(ending, safe=(f"{place.folder}/safe.{ending}",), unsafe=unsafe)
        for ending in ("csv", "parquet", "txt", "jsonl")
    ]
    first, *others = (table(record, "safe").drop(["source"]) for record in found)
    assert first.num_rows == 9
    assert all(other == first for other in others)


@pytest.mark.parametrize("shard_rows", [1, 7, 19, 1000])
def test_rows_are_the_same_at_any_shard_size(place: Place, shard_rows: int) -> None:
    pools = many(place, images=True)
    record = place.ingest("sharded", **pools, shard_rows=shard_rows)
    assert rows(record) == rows(place.ingest("whole", **pools))
    assert len(record.paths("unsafe")) == -(-20 // shard_rows)


@pytest.mark.parametrize("column", ["category", "partner"])
def test_pools_may_be_named_in_any_order(place: Place, column: str) -> None:
    safe = place.pool("safe.jsonl", ["a cup on a table"])
    name_of = {"category": "category", "partner": "partner_id"}[column]
    both = tuple(
        place.pool(f"{cell}/pool.jsonl", [{"caption": "a handgun on a table", name_of: cell}])
        for cell in ("b" * 32, "a" * 32)
    )
    one = place.ingest("one", safe=(safe,), unsafe=both)
    two = place.ingest("two", safe=(safe,), unsafe=both[::-1])
    assert one.output_digest == two.output_digest
    assert table(one, "unsafe")[column].to_pylist() == ["a" * 32]


@pytest.mark.parametrize("chunk_rows", [1, 7, 30])
def test_output_is_the_same_at_any_chunk_size(
    place: Place, monkeypatch: pytest.MonkeyPatch, chunk_rows: int
) -> None:
    pools = many(place, images=True)
    whole = place.ingest("whole", **pools, shard_rows=8)
    monkeypatch.setattr(read, "_CHUNK_ROWS", chunk_rows)
    chunked = place.ingest("chunked", **pools, shard_rows=8)
    assert chunked.output_digest == whole.output_digest
    assert chunked.facts == whole.facts
    assert chunked.rejects == whole.rejects == {"empty": 1}


def test_output_is_the_same_whatever_bytes_of_pictures_fill_a_chunk(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = [f"picture {n % 5}".encode() + b"\xff" for n in range(12)]
    texts = [f"a vase {n} on a table" for n in range(12)]
    path = place.folder / "safe.parquet"
    pq.write_table(pa.table({"caption": texts, "image": cells}), path)
    pools = {"safe": (str(path),), "unsafe": many(place)["unsafe"]}
    whole = place.ingest("whole", **pools)
    monkeypatch.setattr(read, "_CHUNK_IMAGE_BYTES", 20)
    monkeypatch.setattr(merge, "_IMAGE_RANGE_BYTES", 700)
    chunked = place.ingest("chunked", **pools)
    assert rows(chunked) == rows(whole)
    assert table(chunked, "images") == table(whole, "images")
    assert len(chunked.paths("images")) > len(whole.paths("images")) == 1


@pytest.mark.parametrize("parts", [1, 2, 3, 7])
def test_ranges_cover_every_key_once(tmp_path: Path, parts: int) -> None:
    ranges = [merge._key_range(part, parts, digits=64) for part in range(parts)]
    keys = sorted({"0" * 64, "f" * 64, *itertools.chain(*ranges)} - {"g"})
    columns = {"image_sha256": keys, "image_path": keys, "image": [b""] * len(keys)}
    staged = tmp_path / "staged.arrow"
    staged.write_bytes(arrow_bytes(pa.table(columns, schema=schema.IMAGES)))
    rows = StagedRows([staged], schema.IMAGES)
    found = [rows.between(low, high) for low, high in ranges]
    assert pa.concat_tables(found)["image_sha256"].to_pylist() == keys


def test_staged_files_are_gone_once_merged(place: Place) -> None:
    record = place.ingest(**many(place, images=True))
    kept = {file.path for file in record.files} | {"stage.json", "shards.jsonl"}
    assert {path.name for path in (place.folder / "work" / "ingest").iterdir()} == kept
    assert {file.group for file in record.files} == {"safe", "unsafe", "images", "rejects"}


def test_chunks_hold_no_picture_twice(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[int] = []
    tables = read._Chunk._tables

    def watch(chunk: Any) -> Any:
        items = [item for kept in chunk.kept.values() for item, _ in kept]
        held.append(sum(len(item.image or b"") for item in items))
        return tables(chunk)

    monkeypatch.setattr(read._Chunk, "_tables", watch)
    path = place.folder / "safe.parquet"
    texts = [f"a vase {n} on a table" for n in range(20)]
    pq.write_table(pa.table({"caption": texts, "image": [b"\xff picture"] * 20}), Path(path))
    place.ingest(safe=(str(path),), unsafe=many(place)["unsafe"])
    assert held == [0, 0]
