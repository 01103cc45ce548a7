from __future__ import annotations

import gzip
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from datasets import Dataset

from nsfwcaps.captions.formats import json_documents
from nsfwcaps.captions.options import ReadOptions
from nsfwcaps.captions.readers import read_pool
from nsfwcaps.captions.rows import BadRow, Row, Sample
from nsfwcaps.errors import InputError

VASE, CUP, HANDGUN = "a vase on a table", "a cup", "a handgun on a table"
ROWS = [{"caption": VASE, "url": "u/1", "n": 1}, {"caption": CUP, "url": "u/2", "n": 2}]


def everything(sample: Sample) -> Sequence[str]:
    return sample.names


def write(folder: Path, content: object, encoding: str = "utf-8") -> Path:
    path = folder / "pool.json"
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    path.write_text(text, encoding=encoding)
    return path


def read(path: Path, split: str | None = None) -> list[Row | BadRow]:
    return list(read_pool(str(path), everything, ReadOptions(split=split)))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (ROWS, ROWS),
        ({"data": ROWS}, ROWS),
        ({"version": "1.0", "description": "A set.", "rows": ROWS, "count": 2}, ROWS),
        ({"info": {"year": 2026}, "items": ROWS}, ROWS),
        ([VASE, CUP], [{"caption": VASE}, {"caption": CUP}]),
        ({"captions": [VASE, CUP]}, [{"captions": [VASE, CUP]}]),
        (
            {"a.jpg": VASE, "b.png": CUP},
            [{"image_name": "a.jpg", "caption": VASE}, {"image_name": "b.png", "caption": CUP}],
        ),
        ({"a.jpg": [VASE, CUP]}, [{"image_name": "a.jpg", "caption": [VASE, CUP]}]),
        (
            {"license": "CC", "a.jpg": [VASE]},
            [
                BadRow("no_image", b'{"license": "CC"}'),
                {"image_name": "a.jpg", "caption": [VASE]},
            ],
        ),
        (
            {"author": "me", "p1": VASE, "p2": CUP},
            [
                BadRow("no_id", b'{"author": "me"}'),
                {"__key__": "p1", "caption": VASE},
                {"__key__": "p2", "caption": CUP},
            ],
        ),
        (
            {"weapons": [HANDGUN, 7], "smoking": [CUP]},
            [
                {"caption": HANDGUN, "category": "weapons"},
                BadRow("not_text", b"7"),
                {"caption": CUP, "category": "smoking"},
            ],
        ),
        ({"train": [VASE]}, [{"caption": VASE}]),
        ({"data": [VASE, CUP]}, [{"caption": VASE}, {"caption": CUP}]),
        ({"391895": [VASE, CUP]}, [{"__key__": "391895", "caption": [VASE, CUP]}]),
        (
            {"0": ROWS[0], "1": ROWS[1]},
            [{"__key__": "0", **ROWS[0]}, {"__key__": "1", **ROWS[1]}],
        ),
        ({"a.jpg": {"caption": VASE}}, [{"image_name": "a.jpg", "caption": VASE}]),
        ({"caption": [VASE, CUP], "url": ["u/1", "u/2"], "n": [1, 2]}, ROWS),
        (ROWS[0], [ROWS[0]]),
        (
            {"captions": [VASE, CUP], "image": "a.jpg"},
            [{"captions": [VASE, CUP], "image": "a.jpg"}],
        ),
        ([VASE, 7], [{"caption": VASE}, BadRow("not_text", b"7")]),
        ([ROWS[0], "a cup"], [ROWS[0], BadRow("not_an_object", b"a cup")]),
    ],
)
@pytest.mark.parametrize("indent", [None, 1])
def test_every_shape_gives_its_rows(
    tmp_path: Path, content: object, expected: list[Any], indent: int | None
) -> None:
    assert read(write(tmp_path, json.dumps(content, indent=indent))) == expected


def test_objects_after_one_another_are_rows(tmp_path: Path) -> None:
    text = "\n".join(json.dumps(row, indent=2) for row in ROWS)
    assert read(write(tmp_path, text)) == ROWS
    assert read(write(tmp_path, "\n".join(map(json.dumps, ROWS)))) == ROWS


@pytest.mark.parametrize("orient", ["records", "columns", "index", "table"])
def test_json_that_pandas_writes(tmp_path: Path, orient: Any) -> None:
    pd.DataFrame(ROWS).to_json(tmp_path / "pool.json", orient=orient)
    rows = [{key: row[key] for key in ROWS[0]} for row in map(dict, read(tmp_path / "pool.json"))]  # type: ignore[arg-type]
    assert rows == ROWS


def test_json_that_datasets_writes(tmp_path: Path) -> None:
    Dataset.from_list(ROWS).to_json(tmp_path / "pool.json")
    assert read(tmp_path / "pool.json") == ROWS
    Dataset.from_list(ROWS).to_json(tmp_path / "pool.json", lines=False)
    assert read(tmp_path / "pool.json") == ROWS


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("content", [[{"caption": "a café"}], {"data": [{"caption": "a café"}]}])
def test_encoding_is_recognised(tmp_path: Path, content: object, encoding: str) -> None:
    assert read(write(tmp_path, content, encoding)) == [{"caption": "a café"}]


def test_encoding_given_counts_and_must_be_known(tmp_path: Path) -> None:
    path = write(tmp_path, {"data": [{"caption": "a caf\u0439"}]}, "koi8-r")
    options = ReadOptions(encoding="KOI8-R")
    assert list(read_pool(str(path), everything, options)) == [{"caption": "a caf\u0439"}]
    with pytest.raises(InputError, match=r"pool\.json: unknown encoding 'koi9'"):
        list(read_pool(str(path), everything, ReadOptions(encoding="koi9")))


def test_stream_that_cannot_seek_is_opened_once_more(tmp_path: Path) -> None:
    class Stream(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def seek(self, *_: int) -> int:
            raise io.UnsupportedOperation

    path = write(tmp_path, {"data": ROWS})
    rows = json_documents.read(Stream(path.read_bytes()), str(path), everything, ReadOptions())
    assert list(rows) == ROWS


def test_lists_by_split_are_chosen(tmp_path: Path) -> None:
    path = write(tmp_path, {"train": ROWS[:1], "test": ROWS[1:]})
    with pytest.raises(InputError, match="several lists: train, test; choose with --split NAME"):
        read(path)
    assert read(path, "test") == ROWS[1:]
    assert read(path, "all") == ROWS


@pytest.mark.parametrize(("one", "other"), [("train", "val"), ("harmful", "benign")])
def test_lists_of_captions_by_split_or_side_are_chosen(
    tmp_path: Path, one: str, other: str
) -> None:
    path = write(tmp_path, {one: [VASE, CUP], other: [HANDGUN]})
    message = f"several lists: {one}, {other}; choose with --split NAME"
    with pytest.raises(InputError, match=message):
        read(path)
    assert read(path, one) == [{"caption": VASE}, {"caption": CUP}]
    assert len(read(path, "all")) == 3


@pytest.mark.parametrize(
    "content",
    [
        *({"data": {"rows": ROWS}, "n": 1}, {"n": 1}, {"data": []}, 7, "text", {"a": [1, 2]}),
        {"license": "CC", "author": "me"},
    ],
)
def test_other_shapes_are_refused(tmp_path: Path, content: object) -> None:
    with pytest.raises(InputError, match="no captions in JSON of this shape"):
        read(write(tmp_path, json.dumps(content)))


def test_columns_of_different_lengths_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="its columns are lists of different lengths"):
        read(write(tmp_path, {"caption": [VASE, CUP], "url": ["u/1"]}))


def test_nan_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="invalid JSON; NaN and Infinity are no JSON"):
        read(write(tmp_path, '[{"caption": "a vase", "n": NaN}]'))


# COCO and NoCaps.

COCO = {
    "info": {},
    "images": [{"id": 1, "file_name": "1.jpg"}],
    "annotations": [
        {"id": 10, "image_id": 1, "caption": VASE},
        {"id": 11, "image_id": 1, "caption": CUP},
        {"id": 12, "image_id": 2, "caption": HANDGUN},
    ],
}


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("packed", [False, True])
def test_coco_caption_of_an_image_that_is_not_listed_has_none(
    tmp_path: Path, reverse: bool, packed: bool
) -> None:
    items = list(COCO.items())
    path = write(tmp_path, dict(items[::-1] if reverse else items))
    if packed:
        path = tmp_path / "pool.json.gz"
        path.write_bytes(gzip.compress((tmp_path / "pool.json").read_bytes()))
    assert read(path) == [
        {"caption": VASE, "image_name": "1.jpg", "id": 10, "image_id": 1},
        {"caption": CUP, "image_name": "1.jpg", "id": 11, "image_id": 1},
        {"caption": HANDGUN, "image_name": None, "id": 12, "image_id": 2},
    ]


# Karpathy's splits.


def of_karpathy(**more: object) -> dict[str, object]:
    def image(number: int, split: str, *captions: str) -> dict[str, object]:
        sentences = [{"tokens": text.split(), "raw": text, "imgid": number} for text in captions]
        ids = {"sentids": [number], "imgid": number}
        return {**more, **ids, "filename": f"{number}.jpg", "split": split, "sentences": sentences}

    images = [
        image(0, "train", VASE, CUP),
        image(1, "restval", HANDGUN),
        image(2, "test", "a lamp"),
    ]
    return {"images": images, "dataset": "coco"}


def test_karpathy_images_have_their_captions_as_a_list(tmp_path: Path) -> None:
    path = write(tmp_path, of_karpathy(filepath="val2014", cocoid=9))
    assert read(path) == [
        {
            "caption": [VASE, CUP],
            "image_name": "val2014/0.jpg",
            "split": "train",
            "cocoid": 9,
            "imgid": 0,
        },
        {
            "caption": [HANDGUN],
            "image_name": "val2014/1.jpg",
            "split": "restval",
            "cocoid": 9,
            "imgid": 1,
        },
        {
            "caption": ["a lamp"],
            "image_name": "val2014/2.jpg",
            "split": "test",
            "cocoid": 9,
            "imgid": 2,
        },
    ]


@pytest.mark.parametrize(
    ("split", "images"),
    [
        ("train", ["0.jpg"]),
        ("restval", ["1.jpg"]),
        ("train+restval", ["0.jpg", "1.jpg"]),
        ("all", ["0.jpg", "1.jpg", "2.jpg"]),
    ],
)
def test_split_of_karpathy_is_chosen(tmp_path: Path, split: str, images: list[str]) -> None:
    rows = read(write(tmp_path, {"dataset": "flickr8k", **of_karpathy()}), split)
    assert [row["image_name"] for row in rows if isinstance(row, dict)] == images


def test_split_that_karpathy_lacks_lists_those_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no 'val' among its splits: restval, test, train"):
        read(write(tmp_path, of_karpathy()), "val")
