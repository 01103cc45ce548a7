from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import fsspec
import pytest

from nsfwcaps.captions.readers import read_pool
from nsfwcaps.captions.rows import BadRow, Row, Sample
from nsfwcaps.captions.sources import expand

VASE, CUP = "a vase on a table", "a cup"


def read(url: str) -> list[Row | BadRow]:
    def everything(sample: Sample) -> Sequence[str]:
        return sample.names

    (folder,) = expand(url)
    return list(read_pool(folder, everything))


def write(folder: Path, files: dict[str, str | bytes]) -> str:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(folder)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({"1.jpg": b"i", "1.txt": VASE}, [("1", VASE, "1.jpg")]),
        ({"1.PNG": b"i", "1.caption": VASE}, [("1", VASE, "1.PNG")]),
        ({"1.webp": b"i", "1.cap": f"{VASE}\n"}, [("1", VASE, "1.webp")]),
        ({"a/b/1.1.jpg": b"i", "a/b/1.1.txt": VASE}, [("a/b/1.1", VASE, "a/b/1.1.jpg")]),
        ({"1.jpg": b"i", "1.txt": f"{VASE}\r\n\r\n{CUP}\r\n"}, [("1", [VASE, CUP], "1.jpg")]),
        (
            {"images/1.jpg": b"i", "captions/1.txt": VASE, "captions/1.1.txt": CUP},
            [("images/1", [CUP, VASE], "images/1.jpg")],
        ),
        ({"1.jpg": b"i", "1.json": '{"caption": "a cup"}'}, [("1", CUP, "1.jpg")]),
        ({"1.jpg": b"i", "1.txt": "a café".encode("cp1252")}, [("1", "a café", "1.jpg")]),
        (
            {"1.jpg": b"i", "1.txt": VASE, "2.jpg": b"j"},
            [("1", VASE, "1.jpg"), ("no_caption", b"2.jpg")],
        ),
        (
            {"1.jpg": b"i", "1.txt": VASE, "2.txt": CUP},
            [("1", VASE, "1.jpg"), ("no_image", CUP.encode())],
        ),
        (
            {
                "images/1.png": b"i",
                "labels/1.txt": "0 0.5 0.5 0.1 1e-1\n1 .2 .2 .1 .1\n",
                "images/2.png": b"j",
                "labels/2.txt": "",
                "captions/2.txt": CUP,
                "captions/1.txt": VASE,
            },
            [("images/1", VASE, "images/1.png"), ("images/2", CUP, "images/2.png")],
        ),
        ({"1.jpg": b"i", "1.txt": "0 0.5 0.5 0.1 0.1"}, [("no_caption", b"1.jpg")]),
        (
            {"1.jpg": b"i", "1.txt": "1984", "2.jpg": b"j", "2.txt": CUP},
            [("1", "1984", "1.jpg"), ("2", CUP, "2.jpg")],
        ),
        ({"1.jpg": b"i", "1.txt": VASE, "readme.txt": "About."}, [("1", VASE, "1.jpg")]),
        (
            {"1.jpg": b"i", "1.txt": VASE, ".hidden/2.txt": CUP, "._1.txt": "x"},
            [("1", VASE, "1.jpg")],
        ),
    ],
)
def test_captions_and_paths_of_images(
    tmp_path: Path, files: dict[str, str | bytes], expected: list[Any]
) -> None:
    assert [
        (row.reason, row.raw)
        if isinstance(row, BadRow)
        else (row["__key__"], row["caption"], row["image"])
        for row in read(write(tmp_path, files))
    ] == expected


def test_keys_of_json_beside_text_are_columns(tmp_path: Path) -> None:
    url = write(tmp_path, {"1.jpg": b"i", "1.txt": VASE, "1.json": '{"url": "u", "caption": "x"}'})
    assert read(url) == [
        {"__key__": "1", "caption": VASE, "image": "1.jpg", "url": "u", "json.caption": "x"}
    ]


@pytest.mark.parametrize("text", [{"1.txt": VASE}, {}])
@pytest.mark.parametrize(
    ("key", "value", "name"),
    [
        ("NSFW", "NSFW", "NSFW"),
        ("nsfw", "UNLIKELY", "nsfw"),
        ("nsfw", 0, "nsfw"),
        ("Safe", False, "Safe"),
        ("unsafe", "0.9", "unsafe"),
        ("unsafe", None, "unsafe"),
        ("unsafe", "a handgun", "json.unsafe"),
        ("prompt", 1, "json.prompt"),
    ],
)
def test_flags_in_json_keep_their_name(
    tmp_path: Path, text: dict[str, str | bytes], key: str, value: object, name: str
) -> None:
    facts = json.dumps({key: value} if text else {key: value, "caption": VASE})
    url = write(tmp_path, {"1.jpg": b"i", "1.json": facts, **text})
    assert read(url) == [{"__key__": "1", "caption": VASE, "image": "1.jpg", name: value}]


def test_remote_folder_is_read() -> None:
    fsspec.filesystem("memory").pipe({"/sidecars/1.jpg": b"i", "/sidecars/1.txt": VASE.encode()})
    assert read("memory://sidecars") == [{"__key__": "1", "caption": VASE, "image": "1.jpg"}]
