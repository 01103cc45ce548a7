from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import tarfile
import tracemalloc
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import fsspec
import pytest
import webdataset

from nsfwcaps.captions.clean import image_cell
from nsfwcaps.captions.options import ReadOptions
from nsfwcaps.captions.readers import read_pool
from nsfwcaps.captions.rows import BadRow, Row, Sample
from nsfwcaps.errors import InputError

VASE, CUP, HANDGUN = "a vase on a table", "a cup", "a handgun on a table"


def everything(sample: Sample) -> Sequence[str]:
    return sample.names


def read(path: Path | str, options: ReadOptions | None = None) -> list[Row | BadRow]:
    return list(read_pool(str(path), everything, options))


def shown(rows: Sequence[Row | BadRow]) -> list[Any]:
    """Key, caption and image bytes of each row; reason and bytes of a bad one."""
    return [
        (row.reason, row.raw)
        if isinstance(row, BadRow)
        else (row["__key__"], row.get("caption"), image_cell(row["image"])[1])
        for row in rows
    ]


def tar(path: Path, members: Mapping[str, bytes | str], mode: str = "w") -> Path:
    with tarfile.open(path, mode, format=tarfile.PAX_FORMAT) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            data = content.encode() if isinstance(content, str) else content
            header = tarfile.TarInfo(name)
            header.size = len(data)
            archive.addfile(header, io.BytesIO(data))
    return path


PLAIN = {
    "0001.jpg": b"one",
    "0001.txt": VASE,
    "0001.json": '{"url": "http://a/1", "width": 4}',
    "0002.png": b"two",
    "0002.txt": HANDGUN,
    "0002.cls": "7",
}


def test_image_text_and_json_of_a_key_are_a_row(tmp_path: Path) -> None:
    rows = read(tar(tmp_path / "a.tar", PLAIN))
    assert rows == [
        {
            "__key__": "0001",
            "caption": VASE,
            "image": {"bytes": b"one", "path": "0001.jpg"},
            "url": "http://a/1",
            "width": 4,
        },
        {"__key__": "0002", "caption": HANDGUN, "image": {"bytes": b"two", "path": "0002.png"}},
    ]


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        ("a.tar.gz", gzip.compress),
        ("a.tgz", gzip.compress),
        ("a.tar.bz2", bz2.compress),
        ("a.tar.xz", lzma.compress),
        ("a.tar", gzip.compress),
    ],
)
def test_compressed_tar_is_read_as_the_plain_one(tmp_path: Path, name: str, pack: Any) -> None:
    plain = tar(tmp_path / "plain.tar", PLAIN)
    (tmp_path / name).write_bytes(pack(plain.read_bytes()))
    assert read(tmp_path / name) == read(plain)


def test_remote_tar_is_read(tmp_path: Path) -> None:
    plain = tar(tmp_path / "plain.tar", PLAIN)
    fsspec.filesystem("memory").pipe("/tars/a.tar", plain.read_bytes())
    assert read("memory://tars/a.tar") == read(plain)


def test_rows_are_those_that_webdataset_reads(tmp_path: Path) -> None:
    with webdataset.ShardWriter(f"{tmp_path}/%05d.tar", maxcount=2, verbose=0) as sink:
        for number in range(5):
            sink.write(
                {
                    "__key__": f"s/{number:03d}",
                    "jpg": f"image {number}".encode(),
                    "txt": f"a vase with {number} flowers",
                    "json": {"n": number},
                }
            )
    shards = sorted(tmp_path.glob("*.tar"))
    assert len(shards) == 3
    theirs = webdataset.WebDataset([str(path) for path in shards], shardshuffle=False)
    expected = [
        (item["__key__"], item["txt"].decode(), item["jpg"], json.loads(item["json"])["n"])
        for item in theirs
    ]
    rows = [row for path in shards for row in read(path) if isinstance(row, dict)]
    assert [
        (row["__key__"], row["caption"], row["image"]["bytes"], row["n"]) for row in rows
    ] == expected
    assert len(rows) == 5


def test_compressed_shards_of_webdataset(tmp_path: Path) -> None:
    path = f"{tmp_path}/a.tar.gz"
    with webdataset.TarWriter(path) as sink:
        sink.write({"__key__": "k", "webp": b"w", "txt": VASE})
    assert shown(read(path)) == [("k", VASE, b"w")]


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        # Dots in keys: webdataset itself splits at the first.
        (
            {"22.0/1.1.png": b"i", "22.0/1.1.txt": VASE, "22.0/1.2.png": b"j", "22.0/1.2.txt": CUP},
            [("22.0/1.1", VASE, b"i"), ("22.0/1.2", CUP, b"j")],
        ),
        # Several captions of one key.
        ({"k.0.txt": VASE, "k.1.txt": CUP, "k.jpg": b"i"}, [("k", [VASE, CUP], b"i")]),
        (
            {"k.jpg": b"i", "k.json": '{"captions": ["a vase", "a cup"]}'},
            [("k", ["a vase", CUP], b"i")],
        ),
        ({"k.jpg": b"i", "k.txt": VASE, "k.caption": CUP}, [("k", [VASE, CUP], b"i")]),
        ({"k.jpg": b"i", "k.txt": f"{VASE}\r\n\n {CUP}\n"}, [("k", [VASE, f" {CUP}"], b"i")]),
        # A title with a line break, as img2dataset writes it.
        (
            {"k.jpg": b"i", "k.txt": f"{VASE}\n{CUP}", "k.json": f'{{"caption": "{VASE} {CUP}"}}'},
            [("k", f"{VASE} {CUP}", b"i")],
        ),
        # Boxes of YOLO beside captions.
        ({"k.jpg": b"i", "k.txt": "0 0.5 0.5 0.1 0.1\n", "k.caption": CUP}, [("k", CUP, b"i")]),
        # Other endings.
        ({"k.img": b"i", "k.cap": VASE}, [("k", VASE, b"i")]),
        ({"k.JPEG": b"i", "k.TXT": VASE}, [("k", VASE, b"i")]),
        ({"k.jpg": b"i", "k.json": '{"caption": "a cup"}'}, [("k", CUP, b"i")]),
        ({"k.jpg": b"i", "k.json": '{"text": "a cup"}'}, [("k", CUP, b"i")]),
        # Members with prefixes.
        ({"x.input.jpg": b"i", "x.outputs.txt": VASE}, [("x.input", VASE, b"i")]),
        (
            {"x.0.jpg": b"i", "x.1.jpg": b"j", "x.txt": VASE},
            [("x.0", VASE, b"i"), ("x.1", VASE, b"j")],
        ),
        # Folders, `./`, long and non-ASCII names.
        (
            {"./a/1.jpg": b"i", "./a/1.txt": VASE, "./b/1.jpg": b"j", "./b/1.txt": CUP},
            [("./a/1", VASE, b"i"), ("./b/1", CUP, b"j")],
        ),
        ({f"{'é' * 150}.jpg": b"i", f"{'é' * 150}.txt": VASE}, [("é" * 150, VASE, b"i")]),
        (
            {
                "p/images/a/1.jpg": b"i",
                "p/images/a/2.jpg": b"j",
                "p/text/a/1.txt": VASE,
                "p/text/a/2.txt": CUP,
            },
            [("p/images/a/1", VASE, b"i"), ("p/images/a/2", CUP, b"j")],
        ),
        # What macOS adds, and documents.
        (
            {
                "._1.jpg": b"x",
                "1.jpg": b"i",
                "._1.txt": "x",
                "1.txt": VASE,
                "__MACOSX/._1.txt": "x",
            },
            [("1", VASE, b"i")],
        ),
        ({"README.txt": "About.", "1.jpg": b"i", "1.txt": VASE}, [("1", VASE, b"i")]),
        # All images first, then all captions, as `tar cf a.tar *.jpg *.txt` packs them.
        (
            {"1.jpg": b"i", "2.jpg": b"j", "1.txt": VASE, "2.txt": CUP},
            [("1", VASE, b"i"), ("2", CUP, b"j")],
        ),
        # Parts missing.
        (
            {"1.jpg": b"i", "2.jpg": b"j", "2.txt": VASE},
            [("no_caption", b"1.jpg"), ("2", VASE, b"j")],
        ),
        ({"1.txt": VASE, "2.jpg": b"j", "2.txt": CUP}, [("1", VASE, None), ("2", CUP, b"j")]),
        (
            {"1.jpg": b"i", "1.txt": VASE, "captions.txt": f"image,caption\n1.jpg,{CUP}\n"},
            [("1", VASE, b"i"), ("no_image", f"image,caption\n1.jpg,{CUP}".encode())],
        ),
        (
            {"1.txt": VASE, "2.txt": f"{CUP}\n{CUP}"},
            [("1", VASE, None), ("2", [CUP, CUP], None)],
        ),
        ({"1.jpg": b"i", "1.json": "{oops"}, [("broken_json", b"{oops")]),
        ({"1.jpg": b"i", "1.json": "{oops", "1.txt": VASE}, [("1", VASE, b"i")]),
        # Depth maps and masks beside an image.
        ({"k.jpg": b"i", "k.depth.png": b"d", "k.txt": VASE}, [("k", VASE, b"i")]),
        ({}, []),
    ],
)
def test_which_texts_belong_to_which_image(
    tmp_path: Path, members: dict[str, bytes | str], expected: list[Any]
) -> None:
    plain = tar(tmp_path / "a.tar", members)
    assert shown(read(plain)) == expected
    (tmp_path / "b.tar.gz").write_bytes(gzip.compress(plain.read_bytes()))
    assert shown(read(tmp_path / "b.tar.gz")) == expected


def test_json_beside_a_text_never_replaces_caption_or_image(tmp_path: Path) -> None:
    facts = {"caption": "other", "text": "other", "image_path": "x.jpg", "image": "x", "url": "u"}
    members = {"k.jpg": b"i", "k.txt": VASE, "k.json": json.dumps(facts)}
    assert read(tar(tmp_path / "a.tar", members)) == [
        {
            "__key__": "k",
            "caption": VASE,
            "image": {"bytes": b"i", "path": "k.jpg"},
            "json.caption": "other",
            "json.text": "other",
            "json.image_path": "x.jpg",
            "json.image": "x",
            "url": "u",
        }
    ]


def test_empty_image_counts_as_an_image_that_is_missing(tmp_path: Path) -> None:
    rows = read(tar(tmp_path / "a.tar", {"k.jpg": b"", "k.txt": VASE}))
    assert isinstance(rows[0], dict)
    assert image_cell(rows[0]["image"]) == ("k.jpg", None)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_encoding_of_a_text_is_recognised(tmp_path: Path, encoding: str) -> None:
    text = "a café table, a vase and a cup"
    path = tar(tmp_path / "a.tar", {"k.jpg": b"i", "k.txt": text.encode(encoding)})
    assert shown(read(path)) == [("k", text, b"i")]


def test_encoding_given_counts_and_must_be_known(tmp_path: Path) -> None:
    path = tar(tmp_path / "a.tar", {"k.jpg": b"i", "k.txt": "a caf\u0439".encode("koi8-r")})
    assert shown(read(path, ReadOptions(encoding="koi8-r"))) == [("k", "a caf\u0439", b"i")]
    with pytest.raises(InputError, match=r"k\.txt: unknown encoding 'koi9'"):
        read(path, ReadOptions(encoding="koi9"))


def test_hard_link_is_the_file_that_it_links_to(tmp_path: Path) -> None:
    (tmp_path / "1.jpg").write_bytes(b"i")
    os.link(tmp_path / "1.jpg", tmp_path / "2.jpg")
    for number in "12":
        (tmp_path / f"{number}.txt").write_text(VASE)
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name in ("1.jpg", "1.txt", "2.jpg", "2.txt"):
            archive.add(tmp_path / name, name)
        assert archive.getmember("2.jpg").islnk()
    assert shown(read(tmp_path / "a.tar")) == [("1", VASE, b"i"), ("2", VASE, b"i")]


@pytest.mark.parametrize("share", [0.3, 0.5, 0.6, 0.75])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_truncated_tar_is_an_input_error(tmp_path: Path, share: float, pack: Any) -> None:
    members = {f"{n}.{end}": os.urandom(700) for n in range(9) for end in ("jpg", "png", "txt")}
    data = pack(tar(tmp_path / "whole.tar", members).read_bytes())
    (tmp_path / "a.tar").write_bytes(data[: int(len(data) * share)])
    with pytest.raises(InputError, match=r"a\.tar: the .*file is damaged or truncated"):
        read(tmp_path / "a.tar")


def test_tar_cut_between_two_members_is_an_input_error(tmp_path: Path) -> None:
    data = tar(tmp_path / "whole.tar", {"1.jpg": b"i", "1.txt": VASE}).read_bytes()
    (tmp_path / "a.tar").write_bytes(data[: 4 * 512])
    with pytest.raises(InputError, match="damaged or truncated"):
        read(tmp_path / "a.tar")


def test_joined_tars_are_refused(tmp_path: Path) -> None:
    data = tar(tmp_path / "whole.tar", PLAIN).read_bytes()
    (tmp_path / "a.tar").write_bytes(data + data)
    with pytest.raises(InputError, match="more data follows the end of the tar"):
        read(tmp_path / "a.tar")


def test_tar_of_a_table_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no images with captions in this tar; unpack it"):
        read(tar(tmp_path / "a.tar", {"pool.csv": "caption\na vase\n", "README.md": "About."}))


def test_file_that_is_no_tar_is_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(b"caption\na vase\n" * 100)
    with pytest.raises(InputError, match="damaged or truncated"):
        read(tmp_path / "a.tar")


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz"])
def test_memory_is_bounded_by_the_peeked_samples(tmp_path: Path, name: str) -> None:
    size, count = 2**17, 400
    plain = tar(
        tmp_path / "plain.tar",
        {
            f"{n}.{end}": b"x" * size if end == "jpg" else VASE
            for n in range(count)
            for end in ("jpg", "txt")
        },
    )
    data = plain.read_bytes()
    (tmp_path / name).write_bytes(gzip.compress(data, 1) if name.endswith("gz") else data)
    del data
    tracemalloc.start()
    total = sum(len(row["image"]["bytes"]) for row in read_pool(str(tmp_path / name), everything))  # type: ignore[index]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert total == size * count
    assert peak < size * count / 3


def test_images_are_not_read_where_only_captions_are_wanted(tmp_path: Path) -> None:
    members = {
        f"{n}.{end}": VASE if end == "txt" else b"i" for n in range(70) for end in ("jpg", "txt")
    }
    path = tar(tmp_path / "a.tar", members)
    rows = list(read_pool(str(path), lambda sample: ["caption"]))
    assert [row["caption"] for row in rows if isinstance(row, dict)] == [VASE] * 70
    assert rows[-1]["image"] is None  # type: ignore[index]
