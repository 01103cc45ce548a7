from __future__ import annotations

import dataclasses
import errno
import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nsfwcaps import artifacts, files, tables
from nsfwcaps.artifacts import (
    RECORD,
    Shard,
    ShardFiles,
    ShardTables,
    StageFolder,
    StageRecord,
    StageResult,
)
from nsfwcaps.errors import ArtifactError, StorageError
from nsfwcaps.files import write_atomically
from nsfwcaps.journals import JOURNAL
from nsfwcaps.tables import read_tables

KEY = "c0ffee" + "0" * 58
OTHER_KEY = "decade" + "0" * 58
TABLE = pa.table({"id": ["a", "b"]})
REJECTS = pa.table({"reason": ["empty"]})


@pytest.fixture
def folder(tmp_path: Path) -> StageFolder:
    folder = StageFolder(tmp_path / "stage")
    folder.prepare()
    return folder


def reopened(folder: StageFolder) -> StageFolder:
    """The folder as the next run finds it."""
    fresh = StageFolder(folder.path)
    fresh.prepare()
    return fresh


def commit(folder: StageFolder, key: str = KEY, table: pa.Table = TABLE) -> Shard:
    return folder.make_shard(key, lambda: made(table))


def made(table: pa.Table = TABLE) -> ShardTables:
    return ShardTables(
        tables={("safe", "safe"): table, ("rejects", "rejects"): REJECTS},
        rows_in=3,
        rejects={"empty": 1},
        facts={"seen": 3},
    )


def finish(folder: StageFolder, *shards: Shard, fingerprint: str = "f") -> StageRecord:
    return folder.finish(
        stage="ingest",
        fingerprint=fingerprint,
        version="0",
        settings={"k": 1},
        inputs={"pool": "d"},
        seconds=1.0,
        result=StageResult(shards=shards, facts={"captions": 2}),
    )


def names(path: Path) -> set[str]:
    return {str(item.relative_to(path)) for item in path.rglob("*") if item.is_file()}


def fill_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(files.os, "fsync", full)


def test_shard_is_named_after_its_key_and_counted(folder: StageFolder) -> None:
    shard = commit(folder)
    assert [file.path for file in shard.files] == [
        "safe-c0ffee000000.parquet",
        "rejects-c0ffee000000.parquet",
    ]
    assert (shard.rows_in, shard.rows_out, shard.rejects) == (3, 2, {"empty": 1})
    assert pq.read_table(folder.path / shard.files[0].path) == TABLE


def test_finished_shard_is_found_by_the_next_run(folder: StageFolder) -> None:
    shard = commit(folder)
    assert reopened(folder).shard(KEY) == shard
    assert reopened(folder).shard(OTHER_KEY) is None


def test_shard_without_its_journal_row_does_not_exist(folder: StageFolder) -> None:
    commit(folder)
    (folder.path / JOURNAL).unlink()
    assert reopened(folder).shard(KEY) is None


@pytest.mark.parametrize("harm", ["missing", "shorter", "same length"])
def test_shard_with_a_damaged_file_does_not_exist(folder: StageFolder, harm: str) -> None:
    path = folder.path / commit(folder).files[0].path
    data = path.read_bytes()
    if harm == "missing":
        path.unlink()
    else:
        path.write_bytes(data[:-1] + (b"" if harm == "shorter" else b"?"))
    assert reopened(folder).shard(KEY) is None


@pytest.mark.parametrize("cut", [1, 2, 3, 50, 200])
def test_journal_line_cut_short_loses_that_shard_only(folder: StageFolder, cut: int) -> None:
    first = commit(folder)
    commit(folder, OTHER_KEY)
    journal = folder.path / JOURNAL
    journal.write_bytes(journal.read_bytes()[:-cut])
    fresh = reopened(folder)
    assert fresh.shard(KEY) == first
    # All but the newline is still a whole row.
    assert (fresh.shard(OTHER_KEY) is None) == (cut > 1)


def test_journal_goes_on_after_a_line_cut_short(folder: StageFolder) -> None:
    first = commit(folder)
    with (folder.path / JOURNAL).open("ab") as journal:
        journal.write(b'{"key": "half a li')
    second = commit(reopened(folder), OTHER_KEY)
    fresh = reopened(folder)
    assert (fresh.shard(KEY), fresh.shard(OTHER_KEY)) == (first, second)


@pytest.mark.parametrize("line", [b"null", b"7", b"[]", b"{}", b'{"files": 1}', b"\xff"])
def test_foreign_journal_lines_are_passed_over(folder: StageFolder, line: bytes) -> None:
    first = commit(folder)
    journal = folder.path / JOURNAL
    journal.write_bytes(line + b"\n" + journal.read_bytes())
    assert reopened(folder).journal_rows() == [first]


def test_later_row_of_a_key_wins(folder: StageFolder) -> None:
    commit(folder)
    second = commit(folder, table=pa.table({"id": ["c"]}))
    assert reopened(folder).shard(KEY) == second


def test_record_reads_back_as_it_was_written(folder: StageFolder) -> None:
    record = finish(folder, commit(folder))
    assert folder.record() == record
    assert (record.rows_in, record.rows_out, record.rejects) == (3, 2, {"empty": 1})
    assert (record.facts, record.settings, record.inputs) == (
        {"captions": 2},
        {"k": 1},
        {"pool": "d"},
    )
    assert record.paths("safe") == [folder.path / "safe-c0ffee000000.parquet"]
    assert (record.rows("safe"), record.rows("rejects")) == (2, 1)
    assert folder.damaged(record) is None


def test_rejects_are_summed_over_shards(folder: StageFolder) -> None:
    record = finish(folder, commit(folder), commit(folder, OTHER_KEY))
    assert (record.rows_in, record.rows_out, record.rejects) == (6, 4, {"empty": 2})


def test_folder_without_a_record_has_none(tmp_path: Path) -> None:
    assert StageFolder(tmp_path / "nowhere").record() is None


def test_output_digest_depends_on_contents_not_names_or_rejects(folder: StageFolder) -> None:
    shard = commit(folder)
    digest = finish(folder, shard).output_digest
    safe, rejects = shard.files
    renamed = dataclasses.replace(safe, path="other.parquet")
    no_rejects = dataclasses.replace(shard, files=(renamed,))
    changed = dataclasses.replace(safe, sha256="0" * 64)
    assert finish(folder, no_rejects).output_digest == digest
    other = dataclasses.replace(shard, files=(changed, rejects))
    assert finish(folder, other).output_digest != digest


@pytest.mark.parametrize("text", ["", "null", "7", "[]", "{}", '{"files": []}', "{oops", "\udcff"])
def test_damaged_record_says_what_mends_it(folder: StageFolder, text: str) -> None:
    (folder.path / RECORD).write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ArtifactError) as error:
        folder.record()
    assert str(error.value) == (
        f"{folder.path}/stage.json is damaged; delete the folder {folder.path} and run again"
    )


def test_damaged_file_of_a_record_is_named(folder: StageFolder) -> None:
    record = finish(folder, commit(folder))
    record.paths("safe")[0].unlink()
    assert folder.damaged(record) == "safe-c0ffee000000.parquet"


def test_finish_removes_superseded_files_and_no_others(folder: StageFolder) -> None:
    finish(folder, commit(folder))
    (folder.path / "notes.parquet").write_bytes(b"the user's")
    fresh = reopened(folder)
    finish(fresh, commit(fresh, OTHER_KEY))
    assert names(folder.path) == {
        "notes.parquet",
        "rejects-decade000000.parquet",
        "safe-decade000000.parquet",
        RECORD,
        JOURNAL,
    }
    assert [row.key for row in reopened(folder).journal_rows()] == [OTHER_KEY]


def test_finish_removes_folders_that_become_empty(folder: StageFolder) -> None:
    old = folder.make_shard(KEY, lambda: ShardFiles(contents={("dataset", "f1/data/a"): b"1"}))
    finish(folder, old)
    fresh = reopened(folder)
    finish(fresh, commit(fresh, OTHER_KEY))
    assert not (folder.path / "f1" / "data").exists()


def test_files_of_given_names_are_committed_with_their_rows(folder: StageFolder) -> None:
    contents = {("dataset", "f1/README.md"): b"card", ("dataset", "f1/data/a.parquet"): TABLE}
    shard = folder.make_shard(
        KEY, lambda: ShardFiles(contents=contents, rows_in=5, facts={"seen": 5})
    )
    size = (folder.path / "f1" / "data" / "a.parquet").stat().st_size
    assert [(file.path, file.rows, file.bytes) for file in shard.files] == [
        ("f1/README.md", 0, 4),
        ("f1/data/a.parquet", 2, size),
    ]
    assert (shard.rows_in, shard.rows_out, shard.facts) == (5, 2, {"seen": 5})
    assert (folder.path / "f1" / "README.md").read_bytes() == b"card"
    assert pq.read_table(folder.path / "f1" / "data" / "a.parquet") == TABLE
    assert reopened(folder).shard(KEY) == shard


def test_a_shard_is_made_once_and_its_time_is_that_of_making(
    folder: StageFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter([10.0, 12.5])
    monkeypatch.setattr(artifacts.time, "monotonic", lambda: next(clock))
    calls: list[str] = []

    def make() -> ShardTables:
        calls.append("made")
        return made()

    shard = folder.shard_or(KEY, make)
    assert shard.seconds == 2.5
    assert reopened(folder).shard_or(KEY, make) == shard
    assert calls == ["made"]
    (folder.path / shard.files[0].path).unlink()
    clock = iter([1.0, 1.0])
    assert folder.shard_or(KEY, make) == dataclasses.replace(shard, seconds=0.0)
    assert calls == ["made", "made"]


def test_a_shard_that_cannot_be_made_leaves_no_row(folder: StageFolder) -> None:
    def fails() -> ShardTables:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        folder.shard_or(KEY, fails)
    assert reopened(folder).journal_rows() == []


def test_pools_of_others_are_not_replaced(folder: StageFolder) -> None:
    pool = folder.path.parent / "pools" / "safe" / "a.parquet"
    folder.refuse_foreign_pools(("safe", "unsafe"))
    pool.parent.mkdir(parents=True)
    pool.write_bytes(b"rows")
    folder.refuse_foreign_pools(("unsafe",))
    with pytest.raises(StorageError, match="was not written by stage, which would replace"):
        folder.refuse_foreign_pools(("safe", "unsafe"))
    commit(folder)  # it has written here before
    folder.refuse_foreign_pools(("safe", "unsafe"))


def test_leftovers_of_a_killed_run_are_cleared_away(folder: StageFolder) -> None:
    (folder.path / "data").mkdir()
    (folder.path / "data" / ".part-a.parquet").write_bytes(b"half")
    (folder.path / ".part-stage.json").write_bytes(b"half")
    reopened(folder)
    assert names(folder.path) == set()


def test_full_disk_leaves_earlier_artifacts_and_no_temporary_files(
    folder: StageFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = finish(folder, commit(folder))
    before = names(folder.path)
    fresh = reopened(folder)
    with monkeypatch.context() as patch:
        fill_disk(patch)
        with pytest.raises(OSError, match="No space left") as error:
            commit(fresh, OTHER_KEY)
    assert error.value.errno == errno.ENOSPC
    assert names(folder.path) == before
    assert folder.record() == record
    assert folder.damaged(record) is None


def test_full_disk_at_the_record_leaves_the_one_before(
    folder: StageFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = finish(folder, commit(folder))
    fresh = reopened(folder)
    shard = commit(fresh, OTHER_KEY)
    with monkeypatch.context() as patch:
        fill_disk(patch)
        with pytest.raises(OSError, match="No space left"):
            finish(fresh, shard, fingerprint="next")
    assert folder.record() == record
    assert folder.damaged(record) is None
    assert reopened(folder).shard(OTHER_KEY) == shard


def test_failed_write_leaves_the_old_file_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_atomically(tmp_path / "a", b"old")
    fill_disk(monkeypatch)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(tmp_path / "a", b"new")
    assert (tmp_path / "a").read_bytes() == b"old"
    assert names(tmp_path) == {"a"}


def test_write_makes_folders_and_replaces(tmp_path: Path) -> None:
    for data in (b"old", b"new"):
        write_atomically(tmp_path / "x" / "y" / "a", data)
        assert (tmp_path / "x" / "y" / "a").read_bytes() == data
    assert names(tmp_path) == {"x/y/a"}


def test_same_table_gives_the_same_bytes() -> None:
    halves = pa.concat_tables([TABLE.slice(0, 1), TABLE.slice(1)])
    assert bytes(tables.parquet_bytes(TABLE)) == bytes(
        tables.parquet_bytes(halves.combine_chunks())
    )


def test_vectors_are_stored_uncompressed() -> None:
    vectors = pa.FixedSizeListArray.from_arrays(np.zeros(8, np.float16), 4)
    data = tables.parquet_bytes(pa.table({"id": ["a", "b"], "vector": vectors}))
    columns = pq.ParquetFile(pa.BufferReader(data)).metadata.row_group(0)
    assert {columns.column(i).compression for i in range(2)} == {"UNCOMPRESSED"}


def test_row_groups_of_wide_rows_hold_fewer_rows() -> None:
    pictures = pa.table({"image": [os.urandom(2**17)] * 200})
    file = pq.ParquetFile(pa.BufferReader(tables.parquet_bytes(pictures)))
    assert [file.metadata.row_group(i).num_rows for i in range(4)] == [63, 63, 63, 11]
    large = pa.table({"image": [os.urandom(3 * 2**20)] * 5})
    file = pq.ParquetFile(pa.BufferReader(tables.parquet_bytes(large)))
    assert [file.metadata.row_group(i).num_rows for i in range(3)] == [2, 2, 1]


def test_tables_are_read_one_at_a_time_with_their_columns(tmp_path: Path) -> None:
    table = pa.table({"id": ["a"], "n": [1]})
    paths = [tmp_path / "split=x" / name for name in ("1.parquet", "2.parquet")]
    for path in paths:
        write_atomically(path, tables.parquet_bytes(table))
    assert list(read_tables(paths)) == [table, table]
    assert list(read_tables(paths[:1], ["n"])) == [table.select(["n"])]


@pytest.mark.parametrize("data", [None, b"no parquet"])
def test_table_that_cannot_be_read_says_what_mends_it(tmp_path: Path, data: bytes | None) -> None:
    path = tmp_path / "a.parquet"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(ArtifactError, match=r"a\.parquet is missing or damaged; run the same"):
        list(read_tables([path]))


def test_vectors_are_arrow_files_and_other_tables_parquet(folder: StageFolder) -> None:
    vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.ones(6, np.float16)), 3)
    table = pa.table({"id": ["a", "b"], "vector": vectors})
    shard = commit(folder, table=table)
    paths = [file.path for file in shard.files]
    assert paths == ["safe-c0ffee000000.arrow", "rejects-c0ffee000000.parquet"]
    (found,) = read_tables([folder.path / paths[0]])
    assert found.equals(table)
    assert reopened(folder).shard(KEY) == shard


def test_record_is_json_without_the_folders_place(folder: StageFolder) -> None:
    finish(folder, commit(folder))
    values = json.loads((folder.path / RECORD).read_text())
    assert values["stage"] == "ingest"
    assert "folder" not in values


def test_a_whole_file_without_a_journal_row_goes_with_the_next_finish(folder: StageFolder) -> None:
    strays = [folder.path / f"safe-00000-0123456789ab.{kind}" for kind in ("parquet", "arrow")]
    release = folder.path / "0123456789ab" / "data" / "train-00000-of-00001.parquet"
    notes = folder.path / "notes.txt"
    release.parent.mkdir(parents=True)
    for path in (*strays, release, notes):
        path.write_bytes(b"x")
    finish(folder)
    assert not any(stray.exists() for stray in strays)
    assert not release.parent.parent.exists()
    assert notes.exists()
