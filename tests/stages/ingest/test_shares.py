"""Shared by several workers, ingest writes what one process writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.ingest_place import Place

from nsfwcaps.artifacts import StageFolder, StageRecord
from nsfwcaps.errors import InputError
from nsfwcaps.pipeline import run_stage
from nsfwcaps.progress import Silent
from nsfwcaps.sharing import Part, Phase
from nsfwcaps.stages import STAGE
from nsfwcaps.stages.ingest import merge, plans, read, shares
from nsfwcaps.stages.ingest.settings import IngestSettings


@pytest.fixture
def pools(place: Place, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Pools of a long file, which is read in three strands, and short ones with a conflict."""
    monkeypatch.setattr(read, "_CHUNK_ROWS", 10)
    monkeypatch.setattr(plans, "_BYTES_OF_ROW", 30)
    monkeypatch.setattr(plans, "_MOST_STRANDS", 3)
    texts = [f"a vase {n} on a table" for n in range(67)] + ["", "a thing 3 on a table"]
    return {
        "safe": (place.pool("a.jsonl", texts), place.pool("b.jsonl", texts[:15])),
        "unsafe": (place.pool("unsafe.jsonl", [f"a thing {n} on a table" for n in range(12)]),),
        "shard_rows": 9,
        "max_reject_share": 0.9,
    }


def make(place: Place, pools: dict[str, Any], *, count: int, only: int | None = None) -> list[str]:
    """Have workers make all parts of every phase, the last part first; return the phases."""
    settings, path = IngestSettings(**pools), place.folder / "shared" / "ingest"
    folder = StageFolder(path)
    folder.prepare()
    names = []
    for phase in shares.phases(settings, folder, {}):
        names.append(phase.name)
        for index in reversed(range(count)):
            if only in (None, index):
                make_part(settings, path, phase, Part(index, count))
        folder.look_again()
    return names


def make_part(settings: IngestSettings, path: Path, phase: Phase, part: Part) -> None:
    folder = StageFolder(path, writer=f"worker-{part.index}")
    folder.prepare()
    shares.open_shares(settings, folder, {}).make(phase.name, part, lambda rows: None)


def driven(place: Place, pools: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> StageRecord:
    """Run the stage after its shares were made; it finds all shards."""
    with monkeypatch.context() as patch:
        patch.setattr(StageFolder, "_commit", None)
        return place.ingest("shared", **pools)


@pytest.mark.parametrize("count", [1, 2, 5])
def test_parts_make_all_shards_of_the_same_output(
    place: Place, pools: dict[str, Any], monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    whole = place.ingest("whole", **pools)
    assert make(place, pools, count=count) == ["read", "merge"]
    record = driven(place, pools, monkeypatch)
    assert record.files == whole.files
    assert (record.facts, record.rejects) == (whole.facts, whole.rejects)
    assert record.facts["captions"] == {"safe": 67, "unsafe": 12}
    assert record.facts["safe_dropped_as_also_unsafe"] == 1


def test_long_file_is_read_in_strands(place: Place, pools: dict[str, Any]) -> None:
    settings = IngestSettings(**pools)
    phase = next(shares.phases(settings, StageFolder(place.folder / "ingest"), {}))
    assert phase.shards == 3 + 1 + 1
    path = place.folder / "shared" / "ingest"
    make_part(settings, path, phase, Part(1, 5))
    rows = [shard.rows_in for shard in StageFolder(path).finished_shards()]
    assert rows == [10, 10]  # the second and the fifth of seven chunks


def test_strand_goes_on_after_the_chunks_that_are_there(
    place: Place, pools: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = place.folder / "shared" / "ingest"
    settings = IngestSettings(**pools)
    phase = next(shares.phases(settings, StageFolder(path), {}))
    make_part(settings, path, phase, Part(0, 5))
    lost = StageFolder(path).finished_shards()[1]
    (path / lost.files[0].path).unlink()
    make(place, pools, count=2)
    whole = place.ingest("whole", **pools)
    assert driven(place, pools, monkeypatch).files == whole.files


@pytest.fixture
def pictured(place: Place, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Pools with pictures inside, so that chunks are short and have several ranges of pictures."""
    cells = [f"picture {n % 5}".encode() + b"\xff" for n in range(12)]
    path = place.folder / "safe.parquet"
    texts = [f"a vase {n} on a table" for n in range(12)]
    pq.write_table(pa.table({"caption": texts, "image": cells}), path)
    monkeypatch.setattr(read, "_CHUNK_ROWS", 4)
    monkeypatch.setattr(read, "_CHUNK_IMAGE_BYTES", 20)
    monkeypatch.setattr(merge, "_IMAGE_RANGE_BYTES", 700)
    unsafe = place.pool("unsafe.jsonl", ["a handgun on a table"])
    return {"safe": (str(path),), "unsafe": (unsafe,)}


def test_pictures_and_verdicts_of_detectors(
    place: Place, pictured: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    pictured["safe_detector"] = ("profanity@0.8",)
    whole = place.ingest("whole", **pictured)
    names = make(place, pictured, count=3)
    assert names == ["read", "images", "judge pictures", "merge"]
    record = driven(place, pictured, monkeypatch)
    assert record.files == whole.files
    assert record.facts == whole.facts
    assert len(record.paths("images")) > 1


def test_short_chunks_of_a_strand_are_left_to_the_driver(
    place: Place, pictured: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = place.ingest("whole", **pictured)
    monkeypatch.setattr(plans, "strands", lambda pool, chunk_rows: 3)
    assert make(place, pictured, count=3) == ["read"]
    record = place.ingest("shared", **pictured)
    assert (record.output_digest, record.facts) == (whole.output_digest, whole.facts)


def test_unusable_pool_is_refused_before_anything_is_merged(
    place: Place, pools: dict[str, Any]
) -> None:
    bad = place.pool("bad.jsonl", ["a cup on a table", "", "", ""])
    pools = pools | {"safe": (*pools["safe"], bad), "max_reject_share": 0.05}
    with pytest.raises(InputError, match=r"bad\.jsonl: 3 of 4 captions are unusable"):
        make(place, pools, count=2)
    written = StageFolder(place.folder / "shared" / "ingest").finished_shards()
    assert {file.group for shard in written for file in shard.files} == {
        "staged-safe",
        "staged-unsafe",
        "rejects",
    }


def test_finished_run_with_parts_is_up_to_date(place: Place, pools: dict[str, Any]) -> None:
    make(place, pools, count=2)
    place.ingest("shared", **pools)
    settings = IngestSettings(**pools)
    assert run_stage(STAGE["ingest"], settings, place.folder / "shared", Silent()).skipped
