"""export-data, clip-benchmark: as its own builder and retrieval task read it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from clip_benchmark.datasets.builder import build_dataset
from support.pair_release import row, write_release
from support.shell import call


def built(tmp_path: Path, splits: dict[str, Any], *options: object, split: str = "test") -> Any:
    release = write_release(tmp_path / "set", splits)
    out = tmp_path / "out"
    said = call(
        *("export-data", release, "--to", "clip-benchmark", "--out", out, "--json", *options)
    )
    assert (said.code, said.err) == (0, "")
    task = "zeroshot_retrieval"
    read = build_dataset("wds/pairs", root=str(out), split=split, transform=shade, task=task)
    return [*read], said.json


def shade(image: Any) -> int:
    return int(np.asarray(image.convert("RGB"))[0, 0, 0])


def test_an_image_has_all_its_captions(tmp_path: Path) -> None:
    """Pairs of one image are apart, and in different shards."""
    pairs = [row(1, 5), row(2, 6), row(3, 5), row(4, 5), row(4, 6, 2)]
    samples, facts = built(tmp_path, {"train": [row(9, 9)], "test": pairs}, "--shard-rows", 1)
    assert samples == [
        (5, ["a broken window 1", "a broken window 3", "a broken window 4"]),
        (6, ["a broken window 2", "a broken window 4"]),
    ]
    assert (facts["written"], facts["captions"]) == ({"test": 2}, {"test": 5})
    assert (tmp_path / "out" / "dataset_type.txt").read_text() == "retrieval\n"
    assert (tmp_path / "out" / "test" / "nshards.txt").read_text() == "2\n"


def test_other_items_of_another_split(tmp_path: Path) -> None:
    options = ("--items", "safe", "--items", "unsafe", "--split", "train")
    samples, _ = built(tmp_path, {"train": [row(1, 5), row(2, 5)]}, *options, split="train")
    assert samples == [
        (5, ["a clean window 5"]),
        (101, ["a broken window 1"]),
        (102, ["a broken window 2"]),
    ]


def test_a_caption_is_one_line(tmp_path: Path) -> None:
    texts = ["two\nlines", "two\u2028lines too", "None", " a  b "]
    pairs = [row(n, 5, unsafe_caption=text) for n, text in enumerate(texts)]
    samples, _ = built(tmp_path, {"test": pairs})
    assert samples == [(5, ["two lines", "two lines too", "None", "a b"])]


def test_images_without_bytes_are_counted(tmp_path: Path) -> None:
    pairs = [row(1, 5), row(2, 6, safe_image=None), row(3, 7, safe_image=None)]
    pairs[2]["safe_image_path"] = None
    samples, facts = built(tmp_path, {"test": pairs})
    assert samples == [(5, ["a broken window 1"])]
    assert facts["left_out"] == {"image_missing": 2}
