"""Files that people of this trade hold, through the command line: captions, images and ids."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import webdataset
from datasets import Dataset, DatasetDict
from PIL import Image
from support.shell import Said, call

from nsfwcaps.captions.normalize import content_id

HANDGUN, CIGARETTE, WINDOW = "a handgun on a table", "a lit cigarette", "a broken window"


def png(shade: int) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (8, 8), (shade, shade, 90)).save(data, "PNG")
    return data.getvalue()


ONE, TWO = png(10), png(200)
WITH_ONE = (HANDGUN, ONE)
WITH_TWO = (CIGARETTE, TWO)


def ingest(tmp_path: Path, unsafe: str, *options: str) -> Said:
    safe = tmp_path / "safe.jsonl"
    safe.write_text(json.dumps({"caption": "a vase on a table"}) + "\n")
    return call("ingest", "--safe", safe, "--unsafe", unsafe, *options, "--out", tmp_path / "run")


def found(tmp_path: Path) -> set[str]:
    """Ids of the unsafe captions; an id is the hash of the caption and of its image."""
    files = (tmp_path / "run").rglob("unsafe-*.parquet")
    return {id_ for file in files for id_ in pq.read_table(file)["id"].to_pylist()}


def ids(*items: tuple[str, bytes] | str) -> set[str]:
    return {
        content_id(item)
        if isinstance(item, str)
        else content_id(item[0], hashlib.sha256(item[1]).hexdigest())
        for item in items
    }


def write(folder: Path, files: dict[str, Any]) -> str:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        data = content if isinstance(content, bytes | str) else json.dumps(content)
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return str(folder)


KARPATHY = {
    "dataset": "coco",
    "images": [
        {"filename": "1.png", "split": "train", "sentences": [{"raw": HANDGUN}]},
        {"filename": "2.png", "split": "restval", "sentences": [{"raw": CIGARETTE}]},
        {"filename": "3.png", "split": "test", "sentences": [{"raw": WINDOW}]},
    ],
}
COCO = {
    "images": [{"id": 1, "file_name": "1.png"}],
    "annotations": [{"image_id": 1, "caption": HANDGUN}, {"image_id": 2, "caption": WINDOW}],
}
ROWS = [{"file_name": "1.png", "text": HANDGUN}, {"file_name": "2.png", "text": CIGARETTE}]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS)
IMAGES = {"1.png": ONE, "2.png": TWO}


@pytest.mark.parametrize(
    ("files", "options", "expected"),
    [
        ({"a.json": KARPATHY}, (), ids(HANDGUN, CIGARETTE, WINDOW)),
        ({"a.json": KARPATHY}, ("--split", "train+restval"), ids(HANDGUN, CIGARETTE)),
        ({"a.json": KARPATHY, **IMAGES}, ("--split", "train"), ids(WITH_ONE)),
        ({"a.json": COCO, **IMAGES}, (), ids(WITH_ONE, WINDOW)),
        ({"a.json": {"1.png": HANDGUN}, **IMAGES}, (), ids(WITH_ONE)),
        ({"a.json": [HANDGUN, WINDOW]}, (), ids(HANDGUN, WINDOW)),
        ({"a.json": {"data": [{"caption": HANDGUN}]}, "readme.txt": "About."}, (), ids(HANDGUN)),
        ({"metadata.jsonl": LINES, **IMAGES}, (), ids(WITH_ONE, WITH_TWO)),
        ({"metadata.csv": f"file_name,text\n1.png,{HANDGUN}\n", **IMAGES}, (), ids(WITH_ONE)),
        ({"1.txt": HANDGUN, "2.txt": CIGARETTE, **IMAGES}, (), ids(WITH_ONE, WITH_TWO)),
        ({"train/1.png": ONE, "train/1.txt": HANDGUN}, (), ids(WITH_ONE)),
        ({"images/1.png": ONE, "captions/1.txt": HANDGUN}, (), ids(WITH_ONE)),
        (
            {"data/train-00000-of-00001.jsonl": LINES, "data/test-00000-of-00001.jsonl": LINES},
            ("--split", "test", "--no-images"),
            ids(HANDGUN, CIGARETTE),
        ),
        (
            {"a/x.txt": HANDGUN, "b/x.txt": WINDOW},
            ("--config", "b"),
            ids(WINDOW),
        ),
    ],
)
def test_folder_gives_its_captions_and_images(
    tmp_path: Path, files: dict[str, Any], options: tuple[str, ...], expected: set[str]
) -> None:
    said = ingest(tmp_path, write(tmp_path / "pool", files), *options)
    assert said.code == 0, said.err
    assert found(tmp_path) == expected


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"a.csv": "caption\nx\n", "b.jsonl": LINES}, "several kinds of data in one folder"),
        ({"train.csv": "caption\nx\n", "test.csv": "caption\nx\n"}, "choose with --split"),
        ({"a/x.csv": "caption\nx\n", "b/x.csv": "caption\nx\n"}, "choose with --config"),
        ({"0.tar": b"", "0.parquet": b""}, "/0.parquet' or '"),
        (IMAGES, "no data files in this folder"),
    ],
)
def test_folder_that_needs_a_word_is_refused(
    tmp_path: Path, files: dict[str, Any], words: str
) -> None:
    said = ingest(tmp_path, write(tmp_path / "pool", files))
    assert said.code == 3
    assert words in said.err
    assert said.err.count("\n") == 1


def test_shards_of_webdataset_by_glob_range_and_folder(tmp_path: Path) -> None:
    (tmp_path / "pool").mkdir()
    with webdataset.ShardWriter(f"{tmp_path}/pool/%05d.tar", maxcount=1, verbose=0) as sink:
        sink.write({"__key__": "1.0", "png": ONE, "txt": HANDGUN})
        sink.write({"__key__": "1.1", "png": TWO, "json": {"captions": [CIGARETTE, WINDOW]}})
    expected = ids(WITH_ONE, WITH_TWO, (WINDOW, TWO))
    for number, name in enumerate(("*.tar", "{00000..00001}.tar", "")):
        place = tmp_path / str(number)
        place.mkdir()
        said = ingest(place, f"{tmp_path}/pool/{name}")
        assert said.code == 0, said.err
        assert found(place) == expected


def test_truncated_tar_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "whole.tar", "w") as archive:
        for name, data in (("1.png", ONE), ("1.txt", HANDGUN.encode())):
            header = tarfile.TarInfo(name)
            header.size = len(data)
            archive.addfile(header, io.BytesIO(data))
    (tmp_path / "a.tar").write_bytes((tmp_path / "whole.tar").read_bytes()[:1600])
    said = ingest(tmp_path, f"{tmp_path}/a.tar")
    assert said.code == 3
    assert "a.tar: the tar file is damaged or truncated" in said.err


def test_rows_filtered_out_of_a_saved_set_stay_out(tmp_path: Path) -> None:
    rows = Dataset.from_list([{"caption": HANDGUN}, {"caption": WINDOW}])
    DatasetDict(train=rows).save_to_disk(tmp_path / "all")
    kept = DatasetDict.load_from_disk(tmp_path / "all")["train"]
    kept = kept.filter(lambda row: row["caption"] == WINDOW)
    assert list((tmp_path / "all" / "train").glob("cache-*.arrow"))
    kept.save_to_disk(tmp_path / "kept")
    kept = Dataset.load_from_disk(tmp_path / "kept")
    kept.map(lambda row: {"caption": HANDGUN})
    assert list((tmp_path / "kept").glob("cache-*.arrow"))
    assert ingest(tmp_path, f"{tmp_path}/kept").code == 0
    assert found(tmp_path) == ids(WINDOW)


def test_published_data_set_is_a_pool_by_its_splits(tmp_path: Path) -> None:
    columns = {"unsafe_caption": [HANDGUN], "safe_caption": ["a vase"]}
    for split in ("train", "test"):
        path = tmp_path / "pool" / "data" / f"{split}-00000-of-00001.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        Dataset.from_dict(columns).to_parquet(path)
    splits = [{"split": s, "path": f"data/{s}-*.parquet"} for s in ("train", "test")]
    matter = json.dumps({"configs": [{"config_name": "default", "data_files": splits}]})
    write(tmp_path / "pool", {"README.md": f"---\n{matter}\n---\n", "manifest.json": {}})
    assert "several splits: train, test" in ingest(tmp_path, f"{tmp_path}/pool").err
    assert ingest(tmp_path, f"{tmp_path}/pool", "--split", "test").code == 0
    assert found(tmp_path) == ids(HANDGUN)
