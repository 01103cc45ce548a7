from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest

from nsfwcaps import stage_delivery
from nsfwcaps.artifacts import JOURNAL, RECORD, ShardFiles, StageFolder, StageRecord, StageResult
from nsfwcaps.files import write_atomically
from nsfwcaps.stage_delivery import deliver

KEY = "c0ffee" + "0" * 58


def names(path: Path) -> set[str]:
    return {str(item.relative_to(path)) for item in path.rglob("*") if item.is_file()}


def record_of(folder: Path, contents: dict[str, bytes], group: str = "dataset") -> StageRecord:
    stage = StageFolder(folder)
    stage.prepare()
    keyed = {(group, name): data for name, data in contents.items()}
    shard = stage.make_shard(KEY, lambda: ShardFiles(contents=keyed))
    return stage.finish(
        stage="publish",
        fingerprint="f",
        version="0",
        settings={},
        inputs={},
        seconds=1.0,
        result=StageResult(shards=[shard]),
    )


def test_deliver_gives_files_their_final_names(tmp_path: Path) -> None:
    contents = {"f1/README.md": b"card", "f1/data/train-0.parquet": b"rows"}
    record = record_of(tmp_path / "publish", contents)
    deliver(record, tmp_path / "out", ("data",))
    assert names(tmp_path / "out") == {"README.md", "data/train-0.parquet"}
    assert (tmp_path / "out" / "data" / "train-0.parquet").read_bytes() == b"rows"


def test_deliver_passes_over_other_groups(tmp_path: Path) -> None:
    deliver(
        record_of(tmp_path / "publish", {"f1/a": b"1"}, group="rejects"),
        tmp_path / "out",
        ("data",),
    )
    assert names(tmp_path) == {"publish/f1/a", f"publish/{RECORD}", f"publish/{JOURNAL}"}


def test_deliver_twice_changes_nothing(tmp_path: Path) -> None:
    record = record_of(tmp_path / "publish", {"f1/data/a.parquet": b"rows"})
    deliver(record, tmp_path / "out", ("data",))
    path = tmp_path / "out" / "data" / "a.parquet"
    before = (path.stat().st_mtime_ns, path.stat().st_ino)
    deliver(record, tmp_path / "out", ("data",))
    assert (path.stat().st_mtime_ns, path.stat().st_ino) == before
    assert names(tmp_path / "out") == {"data/a.parquet"}


def test_deliver_removes_stale_parquet_and_nothing_of_the_user(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for name in ("data/old.parquet", "data/notes.txt", "mine.parquet", "data/x/deep.parquet"):
        write_atomically(out / name, b"?")
    deliver(record_of(tmp_path / "publish", {"f1/data/a.parquet": b"rows"}), out, ("data",))
    assert names(out) == {
        "data/a.parquet",
        "data/notes.txt",
        "data/x/deep.parquet",
        "mine.parquet",
    }


def test_deliver_leaves_no_empty_folder(tmp_path: Path) -> None:
    out, owned = tmp_path / "out", ("data", "safe")
    for name in ("safe/train-0.parquet", "other/train-0.parquet"):
        write_atomically(out / name, b"?")
    record = record_of(tmp_path / "publish", {"f1/data/a.parquet": b"rows"})
    deliver(record, out, owned)
    assert sorted(path.name for path in out.iterdir()) == ["data", "other"]
    write_atomically(out / "safe" / "notes.txt", b"?")
    deliver(record, out, owned)
    assert names(out) == {"data/a.parquet", "other/train-0.parquet", "safe/notes.txt"}


def test_deliver_mends_a_damaged_file(tmp_path: Path) -> None:
    record = record_of(tmp_path / "publish", {"f1/data/a.parquet": b"rows"})
    write_atomically(tmp_path / "out" / "data" / "a.parquet", b"r")
    deliver(record, tmp_path / "out", ("data",))
    assert (tmp_path / "out" / "data" / "a.parquet").read_bytes() == b"rows"


def test_deliver_copies_where_the_file_system_has_no_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any) -> None:
        raise OSError(errno.EXDEV, "another device")

    monkeypatch.setattr(stage_delivery.os, "link", refuse)
    record = record_of(tmp_path / "publish", {"f1/a": b"rows"})
    deliver(record, tmp_path / "out", ("data",))
    path = tmp_path / "out" / "a"
    assert path.read_bytes() == b"rows"
    assert path.stat().st_nlink == 1
    assert names(tmp_path / "out") == {"a"}
