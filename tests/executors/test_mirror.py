"""Mirrors of a run: what a worker receives, hands back, and must see itself."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nsfwcaps import pipeline, recipes
from nsfwcaps.artifacts import OutputFile, ShardFiles, StageFolder
from nsfwcaps.errors import InputError, StorageError
from nsfwcaps.executors.mirror import FilePiece, RunMirror, check_paths, check_pictures
from nsfwcaps.executors.order import Order
from nsfwcaps.executors.private_folder import PrivateFolder
from nsfwcaps.executors.worker import writer_name
from nsfwcaps.progress import Silent


def test_pieces_make_a_file_and_new_shards_are_handed_back_once() -> None:
    mirror = RunMirror()
    try:
        mirror.receive(
            [FilePiece(path="a/b.txt", data=b"12"), FilePiece(path="a/b.txt", data=b"3")]
        )
        assert (mirror.path / "a" / "b.txt").read_bytes() == b"123"
        folder = StageFolder(mirror.path / "mine", writer=writer_name())
        folder.prepare()
        for key, data in (("1" * 64, b"one"), ("2" * 64, b"gone"), ("3" * 64, b"three")):
            contents = {("group", f"rows-{key[:12]}.parquet"): data}
            folder.make_shard(key, lambda own=contents: ShardFiles(contents=own))
        folder.discard("2" * 64)
        shards, all_sent = mirror.unsent(folder)
        assert [shard.files for shard in shards] == [
            {"rows-111111111111.parquet": b"one"},
            {"rows-333333333333.parquet": b"three"},
        ]
        assert all_sent
        assert mirror.unsent(folder) == ([], True)
    finally:
        mirror.remove()
    assert not mirror.path.exists()


def test_shard_that_was_damaged_on_its_way_is_not_adopted(tmp_path: Path) -> None:
    made = StageFolder(tmp_path / "there")
    made.prepare()
    shard = made.make_shard("1" * 64, lambda: ShardFiles(contents={("group", "a.txt"): b"one"}))
    folder = StageFolder(tmp_path / "here")
    folder.prepare()
    with pytest.raises(StorageError, match=r"a\.txt was damaged on its way"):
        folder.adopt(shard, {"a.txt": b"One"})
    assert [*(tmp_path / "here").iterdir()] == []
    folder.adopt(shard, {"a.txt": b"one"})
    assert StageFolder(tmp_path / "here").finished_shards() == [shard]
    assert isinstance(shard.files[0], OutputFile)


def test_folder_of_a_killed_process_is_removed_by_the_next(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; "
        "from nsfwcaps.executors.private_folder import PrivateFolder; "
        "PrivateFolder('mine-', Path(sys.argv[1])); os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert len([*tmp_path.iterdir()]) == 1
    first = PrivateFolder("mine-", tmp_path)
    second = PrivateFolder("mine-", tmp_path)
    assert {*tmp_path.iterdir()} == {first.path, second.path}
    first.remove()
    second.remove()
    assert [*tmp_path.iterdir()] == []


def test_worker_that_does_not_see_a_pool(tmp_path: Path) -> None:
    check_paths([str(tmp_path)])
    with pytest.raises(InputError, match="this machine does not see /nowhere/pool"):
        check_paths([str(tmp_path), "/nowhere/pool"])


def test_worker_that_does_not_see_pictures_by_path(tmp_path: Path) -> None:
    from PIL import Image

    for label in ("safe", "unsafe"):
        Image.new("RGB", (8, 8), "red" if label == "safe" else "blue").save(
            tmp_path / f"{label}.png"
        )
        table = pa.table({"caption": [f"A {label} lamp."], "image_path": [f"{label}.png"]})
        pq.write_table(table, tmp_path / f"{label}.parquet")
    pools = {label: [str(tmp_path / f"{label}.parquet")] for label in ("safe", "unsafe")}
    recipe = recipes.parse({"ingest": {**pools, "screen": "off"}}, where="test")
    out = tmp_path / "run"
    pipeline.run(recipe, out, Silent())
    order = Order(
        stage="embed",
        settings={"images": True},
        workdir=str(out),
        version="",
        fingerprint="",
        inputs={},
    )
    check_pictures(order)
    (tmp_path / "safe.png").rename(tmp_path / "moved.png")
    (tmp_path / "unsafe.png").rename(tmp_path / "moved-too.png")
    with pytest.raises(InputError, match=r"this machine does not see .*safe\.png$"):
        check_pictures(order)
    check_pictures(replace(order, settings={"images": False}))
