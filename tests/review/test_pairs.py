"""Pairs of a data set: what is read, and which pictures are opened."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from small_review import PAIRS, pair_set, rows

from nsfwcaps.errors import ArtifactError, InputError, ReviewError
from nsfwcaps.review import pairs as reading
from nsfwcaps.review.pairs import NO_CATEGORY, PairSet

RED = (255, 0, 0)


def write(folder: Path, *files: list[dict[str, Any]], **options: Any) -> Path:
    (folder / "data").mkdir(parents=True, exist_ok=True)
    for number, content in enumerate(files):
        name = f"train-{number:05d}-of-{len(files):05d}.parquet"
        pq.write_table(pa.Table.from_pylist(content), folder / "data" / name, **options)
    return folder


def picture(
    color: Any = RED, size: tuple[int, int] = (4, 4), kind: str = "PNG", **how: Any
) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, color).save(out, kind, **how)
    return out.getvalue()


def color(data: bytes) -> Any:
    with Image.open(io.BytesIO(data)) as shown:
        return shown.convert("RGB").getpixel((0, 0))


def with_path(folder: Path, path: str) -> PairSet:
    first, *others = rows()
    first["unsafe_image_path"] = path
    return PairSet(write(folder, [first, *others]))


def test_pairs_come_back(tmp_path: Path) -> None:
    pairs = pair_set(tmp_path)
    assert (len(pairs), pairs.ids, pairs.categories) == (6, PAIRS, ["smoking", "weapons"])
    pair = pairs.pair("pair-3")
    assert (pair.caption("unsafe"), pair.caption("safe")) == (
        "a handgun on table 3",
        "a vase on table 3",
    )
    assert (pair.sim_text, pair.sim_image, pair.hub_count, pair.images) == (0.65, None, None, ())
    assert "pair-3" in pairs
    assert "pair-9" not in pairs


def test_columns_may_differ_between_files(tmp_path: Path) -> None:
    known, bare = rows()[:3], rows()[3:]
    for row in bare:
        for name in ("category", "stage", "sim_text"):
            del row[name]
        row["hub_count"] = 2
    pairs = PairSet(write(tmp_path, known, bare))
    assert pairs.ids == PAIRS
    assert pairs.pair("pair-5").category == NO_CATEGORY
    assert (pairs.pair("pair-1").hub_count, pairs.pair("pair-5").hub_count) == (None, 2)
    assert pairs.categories == [NO_CATEGORY, "smoking", "weapons"]


@pytest.mark.parametrize("name", ["pair_id", "safe_caption"])
def test_a_column_that_is_missing(tmp_path: Path, name: str) -> None:
    content = [{key: value for key, value in row.items() if key != name} for row in rows()]
    with pytest.raises(ArtifactError, match=f"has no column {name}"):
        PairSet(write(tmp_path, content))


@pytest.mark.parametrize("name", ["pair_id", "safe_caption"])
def test_a_row_without_id_or_caption(tmp_path: Path, name: str) -> None:
    content = rows()
    content[2][name] = None
    with pytest.raises(ArtifactError, match="without id or caption"):
        PairSet(write(tmp_path, content))


def test_an_id_that_is_there_twice(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="1 pair ids are there twice"):
        PairSet(write(tmp_path, rows(), rows()[:1]))


def test_a_folder_that_holds_no_data_set(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no data set to show"):
        PairSet(tmp_path)
    write(tmp_path, rows())
    (tmp_path / "data" / "train-00000-of-00001.parquet").write_bytes(b"PAR1 and nothing more")
    with pytest.raises(ArtifactError, match="missing or damaged"):
        PairSet(tmp_path)


def test_a_pair_that_is_not_there(tmp_path: Path) -> None:
    pairs = pair_set(tmp_path)
    with pytest.raises(ReviewError, match="the data set has changed"):
        pairs.pair("pair-9")
    with pytest.raises(InputError, match="the data set has changed"):
        pairs.image("pair-9", "safe")


def test_a_change_is_seen(tmp_path: Path) -> None:
    pairs = pair_set(tmp_path)
    assert pairs.is_unchanged()
    [file] = (tmp_path / "data").iterdir()
    before = file.stat()
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    assert not pairs.is_unchanged()
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert pairs.is_unchanged()
    file.unlink()
    assert not pairs.is_unchanged()


def test_the_digest_is_that_of_the_contents(tmp_path: Path) -> None:
    first, same = pair_set(tmp_path / "a"), pair_set(tmp_path / "b")
    other = PairSet(write(tmp_path / "c", rows()[:5]))
    assert first.digest == same.digest != other.digest


def test_a_manifest_saves_reading_unless_it_is_older(tmp_path: Path) -> None:
    plain = pair_set(tmp_path).digest
    listed = [{"path": "data/train-00000-of-00001.parquet", "sha256": "0" * 64}]
    (tmp_path / "manifest.json").write_text(json.dumps({"files": listed}))
    assert PairSet(tmp_path).digest != plain
    [file] = (tmp_path / "data").iterdir()
    os.utime(file, (2e9, 2e9))
    assert PairSet(tmp_path).digest == plain


@pytest.mark.parametrize("group_rows", [1, 2, 6])
def test_each_pair_shows_its_own_picture(tmp_path: Path, group_rows: int) -> None:
    content = rows()
    for number, row in enumerate(content):
        row["unsafe_image"] = picture((number, 0, 0))
        row["safe_image"] = {"bytes": picture((0, number, 0)), "path": None}
    content[4]["unsafe_image"] = None
    folder = write(tmp_path, content[:2], content[2:], row_group_size=group_rows)
    pairs = PairSet(folder)
    for number, pair_id in enumerate(PAIRS):
        assert color(pairs.image(pair_id, "safe")) == (0, number, 0)
        if number != 4:
            assert color(pairs.image(pair_id, "unsafe")) == (number, 0, 0)
    assert (pairs.pair("pair-1").images, pairs.pair("pair-5").images) == (
        ("unsafe", "safe"),
        ("safe",),
    )
    with pytest.raises(InputError, match="pair pair-5 has no unsafe image"):
        pairs.image("pair-5", "unsafe")


def test_a_picture_by_its_path(tmp_path: Path) -> None:
    pairs = with_path(tmp_path, "images/one.png")
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "one.png").write_bytes(picture())
    assert pairs.pair("pair-1").images == ("unsafe",)
    assert color(pairs.image("pair-1", "unsafe")) == RED


def test_a_path_within_a_struct(tmp_path: Path) -> None:
    content = rows()
    content[0]["safe_image"] = {"bytes": None, "path": "one.png"}
    (tmp_path / "one.png").write_bytes(picture())
    pairs = PairSet(write(tmp_path, content))
    assert color(pairs.image("pair-1", "safe")) == RED


@pytest.mark.parametrize("way", ["dots", "absolute", "link", "link of a folder"])
def test_no_picture_outside_the_folder_is_opened(tmp_path: Path, way: str) -> None:
    outside, folder = tmp_path / "outside.png", tmp_path / "set"
    outside.write_bytes(picture())
    folder.mkdir()
    (folder / "link.png").symlink_to(outside)
    (folder / "up").symlink_to(tmp_path)
    path = {
        "dots": "data/../../outside.png",
        "absolute": str(outside),
        "link": "link.png",
        "link of a folder": "up/outside.png",
    }[way]
    pairs = with_path(folder, path)
    with pytest.raises(InputError, match="outside the data set's folder and is not opened"):
        pairs.image("pair-1", "unsafe")


def test_a_folder_whose_name_begins_the_same_is_outside(tmp_path: Path) -> None:
    (tmp_path / "set-of-others").mkdir()
    (tmp_path / "set-of-others" / "one.png").write_bytes(picture())
    pairs = with_path(tmp_path / "set", "../set-of-others/one.png")
    with pytest.raises(InputError, match="outside"):
        pairs.image("pair-1", "unsafe")


@pytest.mark.parametrize("path", ["gone.png", "data", "loop", "nul\0.png", "x" * 5_000, "pipe"])
def test_what_is_no_file_is_no_picture(tmp_path: Path, path: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    os.mkfifo(tmp_path / "pipe")
    pairs = with_path(tmp_path, path)
    with pytest.raises(InputError, match="image of pair pair-1"):
        pairs.image("pair-1", "unsafe")


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    with (tmp_path / "large.png").open("wb") as file:
        file.truncate(200_000_000)
    pairs = with_path(tmp_path, "large.png")
    with pytest.raises(InputError, match="too large"):
        pairs.image("pair-1", "unsafe")


def shown(folder: Path, data: bytes) -> bytes:
    content = rows()
    content[0]["unsafe_image"] = data
    return PairSet(write(folder, content)).image("pair-1", "unsafe")


@pytest.mark.parametrize("data", [b"", b"a cigarette", picture()[:-30], picture(kind="JPEG")[:200]])
def test_a_broken_picture(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(InputError, match="is broken"):
        shown(tmp_path, data)


@pytest.mark.parametrize("size", [(10_000, 6_000), (20_000, 20_000)])
def test_a_small_file_of_an_enormous_picture(tmp_path: Path, size: tuple[int, int]) -> None:
    out = io.BytesIO()
    Image.new("1", size).save(out, "PNG")
    with pytest.raises(InputError, match="more than 50,000,000 pixels"):
        shown(tmp_path, out.getvalue())


def test_a_picture_is_made_small_and_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    data = picture(size=(2_000, 1_000), kind="JPEG", exif=exif)
    with Image.open(io.BytesIO(shown(tmp_path, data))) as small:
        assert (small.format, small.size) == ("PNG", (256, 512))


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_nothing_else_of_the_file_is_shown(tmp_path: Path, kind: str) -> None:
    exif, text = Image.Exif(), PngInfo()
    exif[0x010E] = "taken at home"
    text.add_text("comment", "taken at home")
    how: dict[str, Any] = {"exif": exif, "icc_profile": b"profile taken at home"}
    how |= {"pnginfo": text} if kind == "PNG" else {"comment": "taken at home"}
    data = picture(kind=kind, **how)
    assert b"taken at home" in data
    found = shown(tmp_path, data)
    with Image.open(io.BytesIO(found)) as small:
        small.load()
        assert (dict(small.getexif()), small.info) == ({}, {})
    assert {found[at - 4 : at] for at in chunks(found)} == {b"IHDR", b"IDAT", b"IEND"}


def chunks(png: bytes) -> list[int]:
    """Where the content of each chunk begins."""
    at, found = 8, []
    while at < len(png):
        found.append(at + 8)
        at += 12 + int.from_bytes(png[at : at + 4], "big")
    return found


def test_a_data_set_that_changed_shows_no_picture_of_another_pair(tmp_path: Path) -> None:
    content = rows()
    for number, row in enumerate(content):
        row["unsafe_image"] = picture((number, 0, 0))
    pairs = PairSet(write(tmp_path, content))
    write(tmp_path, content[::-1])
    with pytest.raises(InputError, match="cannot be read"):
        pairs.image("pair-1", "unsafe")
    write(tmp_path, content[1:2])
    with pytest.raises(InputError, match="cannot be read"):
        pairs.image("pair-6", "unsafe")


def test_the_limit_is_what_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(reading, "_MAX_PIXELS", 16)
    assert color(shown(tmp_path, picture(size=(4, 4)))) == RED
    with pytest.raises(InputError, match="more than 16 pixels"):
        shown(tmp_path, picture(size=(4, 5)))
