"""Pairs of a data set: columns as they come, pictures only from inside, nothing that breaks it."""

from __future__ import annotations

import io
import os
import re
from pathlib import Path
from typing import Any

import PIL.EpsImagePlugin
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image, PngImagePlugin

from nsfwcaps.errors import ArtifactError, InputError, ReviewError
from nsfwcaps.review.pairs import NO_CATEGORY, ReviewPairs

Row = dict[str, Any]
COLOURS = {"pair-1": (200, 0, 0), "pair-2": (0, 200, 0), "pair-3": (0, 0, 200)}


def rows(**more: list[Any]) -> list[Row]:
    """Three pairs, with more columns."""
    return [
        {
            "pair_id": pair_id,
            "unsafe_id": f"unsafe-{number}",
            "safe_id": f"safe-{number}",
            "unsafe_caption": f"a broken window in house {number}",
            "safe_caption": f"a window in house {number}",
            **{name: values[number] for name, values in more.items()},
        }
        for number, pair_id in enumerate(COLOURS)
    ]


def write(folder: Path, table: list[Row] | pa.Table, name: str = "train-0", **options: Any) -> Path:
    (folder / "data").mkdir(parents=True, exist_ok=True)
    table = pa.Table.from_pylist(table) if isinstance(table, list) else table
    pq.write_table(table, folder / "data" / f"{name}.parquet", **options)
    return folder


def picture(colour: tuple[int, int, int], kind: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (40, 20), colour).save(out, kind, **options)
    return out.getvalue()


def pictures() -> list[bytes]:
    return [picture(colour) for colour in COLOURS.values()]


def colour(data: bytes) -> tuple[int, int, int]:
    with Image.open(io.BytesIO(data)) as shown:
        assert shown.format == "PNG"
        found: Any = shown.getpixel((0, 0))
    return found


def refused(folder: Path, why: str, side: str = "safe") -> None:
    """The picture of the first pair is refused, with nothing but ids in the message."""
    pairs = ReviewPairs(folder)
    with pytest.raises(InputError, match=why) as failed:
        pairs.image("pair-1", side)
    assert "window" not in str(failed.value)


def test_what_a_pair_has(tmp_path: Path) -> None:
    more = rows(
        category=["vandalism", None, "smoking"],
        stage=["easy", "hard", None],
        sim_text=[0.5, None, 0.25],
        hub_count=[3, None, 1],
        nsfwcaps_extra=[{"x": 1}, None, None],
        row=[7, 8, 9],
        file=["a", "b", "c"],
    )
    pairs = ReviewPairs(write(tmp_path, more))
    assert len(pairs) == 3
    assert pairs.ids == list(COLOURS)
    assert pairs.categories == sorted(["vandalism", "smoking", NO_CATEGORY])
    first, second = pairs.pair("pair-1"), pairs.pair("pair-2")
    assert (first.category, first.sim_text, first.hub_count) == ("vandalism", 0.5, 3)
    assert (second.category, second.sim_text, second.hub_count) == (NO_CATEGORY, None, None)
    assert first.images == ()
    assert first.caption("unsafe") == "a broken window in house 0"
    assert first.caption("safe") == "a window in house 0"
    with pytest.raises(ReviewError, match="pair-9 is not in"):
        pairs.pair("pair-9")


def test_columns_of_other_types(tmp_path: Path) -> None:
    table = pa.Table.from_pylist(rows(category=["a", "b", "a"], hub_count=[1.0, 2.0, 3.0]))
    table = table.set_column(
        table.column_names.index("category"), "category", table["category"].dictionary_encode()
    ).set_column(0, "pair_id", table["pair_id"].cast(pa.large_string()))
    pair = ReviewPairs(write(tmp_path, table)).pair("pair-2")
    assert (pair.pair_id, pair.category, pair.hub_count) == ("pair-2", "b", 2)


def test_several_files_of_other_columns(tmp_path: Path) -> None:
    three = rows(sim_text=[0.1, 0.2, 0.3])
    write(tmp_path, three[:1], "a")
    write(tmp_path, [{**three[1], "category": "smoking", "sim_text": 1}], "b")
    write(tmp_path, [{**three[2], "safe_image": pictures()[2]}], "c")
    pairs = ReviewPairs(tmp_path)
    assert pairs.ids == list(COLOURS)
    assert pairs.pair("pair-2").sim_text == 1.0
    assert [pairs.pair(name).images for name in pairs.ids] == [(), (), ("safe",)]
    assert colour(pairs.image("pair-3", "safe")) == COLOURS["pair-3"]


@pytest.mark.parametrize("column", ["pair_id", "safe_caption", "unsafe_caption"])
def test_a_column_that_is_missing_or_has_gaps(tmp_path: Path, column: str) -> None:
    without = [{key: row[key] for key in row if key != column} for row in rows()]
    with pytest.raises(ArtifactError, match=f"missing column {column}"):
        ReviewPairs(write(tmp_path, without))
    with pytest.raises(ArtifactError, match="without id or caption"):
        ReviewPairs(write(tmp_path, [{**rows()[0], column: None}, rows()[1]]))


def test_no_data_set(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no data set found"):
        ReviewPairs(tmp_path)
    write(tmp_path, rows())
    next((tmp_path / "data").iterdir()).write_bytes(b"PAR1 not really")
    with pytest.raises(ArtifactError, match="damaged; publish"):
        ReviewPairs(tmp_path)
    write(tmp_path, rows() + rows()[:1])
    with pytest.raises(ArtifactError, match="1 duplicate pair ids"):
        ReviewPairs(tmp_path)


def test_a_data_set_without_pairs(tmp_path: Path) -> None:
    pairs = ReviewPairs(write(tmp_path, pa.Table.from_pylist(rows()).slice(0, 0)))
    assert (len(pairs), pairs.ids, pairs.categories) == (0, [], [])


@pytest.mark.parametrize("as_struct", [False, True])
def test_pictures_in_the_file(tmp_path: Path, as_struct: bool) -> None:
    cells: list[Any] = [*pictures()[:2], None]
    if as_struct:
        cells = [cell and {"bytes": cell, "path": "shown/nowhere.png"} for cell in cells]
    write(tmp_path, rows(unsafe_image=cells), row_group_size=1)
    pairs = ReviewPairs(tmp_path)
    assert [pairs.pair(name).images for name in pairs.ids] == [("unsafe",), ("unsafe",), ()]
    for name in ("pair-1", "pair-2"):
        assert colour(pairs.image(name, "unsafe")) == COLOURS[name]
    for name, side in (("pair-3", "unsafe"), ("pair-1", "safe")):
        with pytest.raises(InputError, match=f"pair {name} has no {side} image"):
            pairs.image(name, side)


@pytest.mark.parametrize("as_struct", [False, True])
def test_pictures_by_their_paths(tmp_path: Path, as_struct: bool) -> None:
    (tmp_path / "images").mkdir()
    names = [f"images/{name}.png" for name in COLOURS]
    for name, data in zip(names, pictures(), strict=True):
        (tmp_path / name).write_bytes(data)
    cells = [{"bytes": None, "path": name} for name in names]
    column = {"safe_image": cells} if as_struct else {"safe_image_path": names}
    pairs = ReviewPairs(write(tmp_path, rows(**column)))
    assert pairs.pair("pair-2").images == ("safe",)
    assert colour(pairs.image("pair-2", "safe")) == COLOURS["pair-2"]


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A picture beside the data set's folder, `set`."""
    path = tmp_path / "outside.png"
    path.write_bytes(picture((0, 0, 0)))
    return path


@pytest.mark.parametrize("path", ["../outside.png", "{}", "data/../../outside.png", "link.png"])
def test_no_picture_from_outside(tmp_path: Path, outside: Path, path: str) -> None:
    folder = write(tmp_path / "set", rows(safe_image_path=[path.format(outside), None, None]))
    (folder / "link.png").symlink_to(outside)
    refused(folder, "outside the data set folder.* publish without --no-carry-images")


def test_a_link_to_the_folder_does_not_open_its_neighbours(tmp_path: Path, outside: Path) -> None:
    folder = write(tmp_path / "set", rows(safe_image_path=["../outside.png", None, None]))
    (tmp_path / "alias").symlink_to(folder)
    (tmp_path / "set-2").mkdir()
    refused(tmp_path / "alias", "outside the data set folder")
    write(folder, rows(safe_image_path=["../set-2/x.png", None, None]))
    refused(folder, "outside the data set folder")


@pytest.mark.parametrize("path", ["gone.png", "data", "pipe", "\0", "loop", "x" * 5_000])
def test_a_path_without_a_picture(tmp_path: Path, path: str) -> None:
    write(tmp_path, rows(safe_image_path=[path, None, None]))
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    refused(tmp_path, "is missing|has an invalid path")


def test_a_picture_that_is_too_large(tmp_path: Path) -> None:
    write(tmp_path, rows(safe_image_path=["large.png", None, None]))
    with (tmp_path / "large.png").open("wb") as file:
        file.truncate(100_000_001)
    refused(tmp_path, "too large")


def claimed(width: int, height: int) -> bytes:
    """A small PNG that claims to be of a size."""
    import struct
    import zlib

    data = picture((9, 9, 9))
    header = b"IHDR" + struct.pack(">II", width, height) + data[24:29]
    return data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]


@pytest.mark.parametrize("size", [(8_000, 8_000), (60_000, 60_000)])
def test_a_small_file_that_would_be_an_enormous_picture(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    write(tmp_path, rows(safe_image=[claimed(*size), None, None]))
    refused(tmp_path, "more than 50,000,000 pixels")


@pytest.mark.parametrize("data", [b"", b"no picture", pictures()[0][:60]])
def test_a_broken_picture(tmp_path: Path, data: bytes) -> None:
    refused(write(tmp_path, rows(safe_image=[data, None, None])), "cannot be decoded")


def test_a_picture_goes_to_no_other_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []
    monkeypatch.setattr(PIL.EpsImagePlugin, "Ghostscript", lambda *a, **k: started.append(a))
    script = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n%%EOF\n"
    with Image.open(io.BytesIO(script)) as opened:
        opened.size  # noqa: B018 - Pillow itself does know the format
    refused(write(tmp_path, rows(safe_image=[script, None, None])), "cannot be decoded")
    assert started == []


def test_nothing_but_the_picture_is_handed_on(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010E] = "taken at home"
    exif[0x0112] = 6  # lies on its side
    notes = PngImagePlugin.PngInfo()
    notes.add_text("Comment", "taken at home")
    jpeg = picture(COLOURS["pair-1"], "JPEG", exif=exif, comment=b"taken at home")
    png = picture(COLOURS["pair-2"], "PNG", pnginfo=notes, exif=exif, icc_profile=b"taken at home")
    pairs = ReviewPairs(write(tmp_path, rows(safe_image=[jpeg, png, None])))
    for name in ("pair-1", "pair-2"):
        shown = pairs.image(name, "safe")
        assert re.findall(rb"IHDR|eXIf|tEXt|zTXt|iTXt|iCCP", shown) == [b"IHDR"]
        with Image.open(io.BytesIO(shown)) as opened:
            assert opened.size == (20, 40)


def test_a_large_picture_is_shown_small(tmp_path: Path) -> None:
    out = io.BytesIO()
    Image.new("RGB", (3_000, 1_500), (0, 99, 0)).save(out, "JPEG")
    pairs = ReviewPairs(write(tmp_path, rows(safe_image=[out.getvalue(), None, None])))
    with Image.open(io.BytesIO(pairs.image("pair-1", "safe"))) as opened:
        assert opened.size == (512, 256)


def test_a_data_set_that_changes(tmp_path: Path) -> None:
    write(tmp_path, rows(safe_image=pictures()))
    pairs = ReviewPairs(tmp_path)
    assert pairs.is_unchanged()
    write(tmp_path, list(reversed(rows(safe_image=pictures()))))
    assert not pairs.is_unchanged()
    # What lies at the place of the old row is the picture of another pair.
    with pytest.raises(InputError, match="cannot be read"):
        pairs.image("pair-1", "safe")
    assert ReviewPairs(tmp_path).digest != pairs.digest
    next((tmp_path / "data").iterdir()).unlink()
    assert not pairs.is_unchanged()


def test_a_file_more_is_a_change(tmp_path: Path) -> None:
    pairs = ReviewPairs(write(tmp_path, rows()[:2]))
    write(tmp_path, rows()[2:], "train-1")
    assert not pairs.is_unchanged()


def test_the_digest_is_that_of_the_bytes_or_of_a_newer_manifest(tmp_path: Path) -> None:
    import hashlib
    import json

    file = next((write(tmp_path, rows()) / "data").iterdir())
    by_bytes = ReviewPairs(tmp_path).digest
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    manifest = tmp_path / "manifest.json"
    manifest.write_text(json.dumps({"files": [{"path": f"data/{file.name}", "sha256": sha256}]}))
    assert ReviewPairs(tmp_path).digest == by_bytes
    manifest.write_text(manifest.read_text().replace(sha256, "0" * 64))
    assert ReviewPairs(tmp_path).digest != by_bytes
    os.utime(manifest, (0, 0))  # the file was changed after it
    assert ReviewPairs(tmp_path).digest == by_bytes
