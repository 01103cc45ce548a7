"""export-data, open_clip: its own CSV and webdataset readers give every caption with its image."""

from __future__ import annotations

import io
import json
import tarfile
from argparse import Namespace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import open_clip_train.data
import pytest
import torch
from open_clip_train.data import CsvDataset, get_csv_dataset, get_wds_dataset
from PIL import Image
from support.pair_release import picture, row, write_release
from support.shell import Said, call

ODD = ["None", "NA", "null", "007", "1e5", "true", 'a "quoted" cup', "tab\tinside", "two\nlines"]


def export(to: str, data: Any, out: Path, *options: object) -> Said:
    release = data if isinstance(data, Path) else write_release(out.with_name("set"), data)
    said = call("export-data", release, "--to", to, "--out", out, "--json", *options)
    assert "Traceback" not in said.err
    return said


def shade(image: Any) -> int:
    """Red of a plain picture, which tells it from others."""
    return int(np.asarray(image.convert("RGB"))[0, 0, 0])


def csv_rows(table: Path) -> list[tuple[int, str]]:
    """Shade and caption of each sample, as open_clip's trainer gets them."""
    read = CsvDataset(str(table), shade, "filepath", "title", sep="\t", tokenizer=lambda x: x)
    return [read[number] for number in range(len(read))]


def test_csv_rows_are_unsafe_captions_with_safe_images(tmp_path: Path) -> None:
    said = export("open-clip-csv", {"train": [row(1, 5), row(2, 6)]}, tmp_path / "out")
    assert said.json["written"] == {"train": 2}
    assert csv_rows(tmp_path / "out" / "train.tsv") == [
        (5, "a broken window 1"),
        (6, "a broken window 2"),
    ]
    lines = (tmp_path / "out" / "train.tsv").read_text().splitlines()
    assert lines[0] == "filepath\ttitle"
    assert lines[1].startswith(f'"{tmp_path}/out/images/')


def test_csv_items_of_one_side_are_distinct(tmp_path: Path) -> None:
    data = {"train": [row(1, 5), row(2, 5), row(2, 6, 2)]}
    options = ("--items", "safe", "--items", "unsafe")
    assert export("open-clip-csv", data, tmp_path / "out", *options).json["written"] == {"train": 4}
    assert csv_rows(tmp_path / "out" / "train.tsv") == [
        (5, "a clean window 5"),
        (101, "a broken window 1"),
        (102, "a broken window 2"),
        (6, "a clean window 6"),
    ]
    assert len([*(tmp_path / "out" / "images").rglob("*.png")]) == 4


@pytest.mark.parametrize("captions", [ODD, ["007"], ["true", "False"], ["None"], ["1.50"]])
def test_csv_captions_that_pandas_would_change(tmp_path: Path, captions: list[str]) -> None:
    """The tokens that the trainer gets are those of the captions."""
    data = {"train": [row(n, n, unsafe_caption=text) for n, text in enumerate(captions)]}
    assert export("open-clip-csv", data, tmp_path / "out").code == 0
    tokenizer = open_clip.get_tokenizer("ViT-B-32")
    arguments = Namespace(
        train_data=str(tmp_path / "out" / "train.tsv"),
        csv_img_key="filepath",
        csv_caption_key="title",
        csv_separator="\t",
        distributed=False,
        batch_size=len(captions),
        workers=0,
    )

    def preprocess(image: Image.Image) -> torch.Tensor:
        return torch.tensor([shade(image)])

    read = get_csv_dataset(arguments, preprocess, is_train=True, tokenizer=tokenizer)
    shades, tokens = next(iter(read.dataloader))
    order = shades[:, 0].argsort()
    assert shades[order, 0].tolist() == [*range(len(captions))]
    assert torch.equal(tokens[order], tokenizer(captions))


@pytest.fixture(autouse=True)
def old_webdataset(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give open_clip the stream that it was written for: its extra asks for webdataset <= 0.2.86.

    Later versions end each shard with an empty entry, on which its training reader stops.
    """
    old = partial(open_clip_train.data.tar_file_expander, eof_value=None)
    monkeypatch.setattr(open_clip_train.data, "tar_file_expander", old)


def wds_samples(folder: Path, count: int) -> list[tuple[int, str]]:
    shards = sorted(path.name for path in folder.glob("*.tar"))
    last = Path(shards[-1]).stem
    arguments = Namespace(
        train_data=str(folder / f"{{00000..{last}}}.tar"),
        train_num_samples=None,
        train_data_upsampling_factors=None,
        batch_size=1,
        workers=0,
        world_size=1,
        seed=0,
    )

    def preprocess(image: Image.Image) -> torch.Tensor:
        return torch.tensor(shade(image))

    read = get_wds_dataset(arguments, preprocess, is_train=True, tokenizer=lambda text: [text])
    assert read.dataloader.num_samples == count
    return sorted((int(image[0]), text[0]) for image, text in read.dataloader)


def test_webdataset_samples_come_back(tmp_path: Path) -> None:
    pairs = [row(n, n, pair_id=f"a.b.{n}") for n in range(7)]
    said = export("open-clip-webdataset", {"train": pairs}, tmp_path / "out", "--shard-rows", 3)
    assert said.json["shards"] == {"train": 3}
    assert wds_samples(tmp_path / "out" / "train", 7) == [
        (n, f"a broken window {n}") for n in range(7)
    ]
    with tarfile.open(tmp_path / "out" / "train" / "00002.tar") as tar:
        assert tar.getnames() == ["000000006.png", "000000006.txt", "000000006.json"]
        described = json.load(tar.extractfile("000000006.json"))  # type: ignore[arg-type]
    assert described == {
        "pair_id": "a.b.6",
        "item": "redirect",
        "category": "shocking",
        "stage": "easy",
    }
    sizes = json.loads((tmp_path / "out" / "train" / "sizes.json").read_text())
    assert sizes == {"00000.tar": 3, "00001.tar": 3, "00002.tar": 1}


def test_webdataset_texts_and_formats_of_images(tmp_path: Path) -> None:
    kinds = ["JPEG", "WEBP", "PNG", "BMP", "GIF", "TIFF", "PNG", "PNG", "PNG"]
    pairs = [
        row(n, n, unsafe_caption=text, safe_image={"bytes": picture(20 * n, kind), "path": None})
        for n, (text, kind) in enumerate(zip(ODD, kinds, strict=True))
    ]
    said = export("open-clip-webdataset", {"train": pairs}, tmp_path / "out")
    assert (said.json["converted"], said.json["left_out"]) == (3, {})
    found = wds_samples(tmp_path / "out" / "train", 9)
    assert sorted(text for _, text in found) == sorted(ODD)
    assert all(abs(got - 20 * n) <= 3 for n, (got, _) in enumerate(found))


def test_equal_data_give_equal_files(tmp_path: Path) -> None:
    release = write_release(tmp_path / "set", {"train": [row(n, n) for n in range(4)]})
    for name in ("one", "two"):
        assert export("open-clip-webdataset", release, tmp_path / name).code == 0
    tars = [(tmp_path / name / "train" / "00000.tar").read_bytes() for name in ("one", "two")]
    assert tars[0] == tars[1]


def test_images_that_are_absent_or_damaged_are_counted(tmp_path: Path) -> None:
    on_disk = tmp_path / "there.png"
    on_disk.write_bytes(picture(77))
    large = io.BytesIO()
    Image.new("RGB", (64, 64)).save(large, "JPEG")
    pairs = [
        row(1, 1),
        row(2, 2, safe_image=None),
        row(3, 3, safe_image={"bytes": large.getvalue()[:-300], "path": None}),
        row(4, 4, safe_image=None, safe_image_path=str(on_disk)),
        row(5, 5, unsafe_caption=" "),
        row(6, 6, safe_image={"bytes": b"no picture", "path": None}),
    ]
    for to in ("open-clip-csv", "open-clip-webdataset"):
        said = export(to, write_release(tmp_path / to, {"train": pairs}), tmp_path / f"o-{to}")
        assert said.json["written"] == {"train": 2}
        assert said.json["left_out"] == {
            "caption_missing": 1,
            "image_missing": 1,
            "image_undecodable": 2,
        }
