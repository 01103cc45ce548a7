"""export-data, img2dataset: by the rule of its reader.

img2dataset pins pandas 2 and brings opencv and wandb, so it is not installed here. The test reads
what its `img2dataset/reader.py` reads with `--input_format parquet`: the columns named by
`--url_col`, `--caption_col` and `--save_additional_columns`, nulls as None, in shards.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from support.pair_release import row, write_release
from support.shell import call

ADDRESS = "https://images.example/{}.jpg"


def read(path: Path, *additional: str) -> list[dict[str, Any]]:
    frame = pd.read_parquet(path, columns=["url", "caption", *additional])
    frame = frame.astype(object).where(pd.notnull(frame), None)  # as text is in pandas 2
    rows: list[dict[str, Any]] = frame[[*additional, "caption", "url"]].to_dict("records")
    return rows


def test_addresses_captions_and_digests(tmp_path: Path) -> None:
    pairs = [
        row(1, 5, safe_image_path=ADDRESS.format(5), safe_image_sha256="ab" * 32),
        row(2, 6, safe_image_path=ADDRESS.format(6), safe_image_sha256=None),
        row(3, 7, safe_image_path="safe/7.png"),
        row(4, 8, safe_image_path=None, unsafe_caption="two\nlines, None"),
    ]
    pairs[3]["safe_image_path"] = ADDRESS.format(8)
    release = write_release(tmp_path / "set", {"train": pairs}, with_pictures=False)
    out = tmp_path / "out"
    said = call("export-data", release, "--to", "img2dataset", "--out", out, "--json")
    assert (said.code, said.err) == (0, "")
    assert said.json["written"] == {"train": 3}
    assert (said.json["left_out"], said.json["without_sha256"]) == ({"no_address": 1}, 1)
    found = read(out / "train.parquet", "pair_id", "sha256", "category")
    assert [(one["url"], one["caption"]) for one in found] == [
        ("https://images.example/5.jpg", "a broken window 1"),
        ("https://images.example/6.jpg", "a broken window 2"),
        ("https://images.example/8.jpg", "two\nlines, None"),
    ]
    assert (found[0]["sha256"], found[1]["sha256"]) == ("ab" * 32, None)
    assert found[0]["pair_id"] == f"{1:016d}{5:016d}"


def test_both_sides_with_their_own_captions(tmp_path: Path) -> None:
    pair = row(
        *(1, 5), safe_image_path=ADDRESS.format("s"), unsafe_image_path="http://images.example/u"
    )
    release = write_release(tmp_path / "set", {"train": [pair]}, with_pictures=False)
    options = ("--items", "safe", "--items", "unsafe", "--columns", "rank")
    said = call("export-data", release, "--to", "img2dataset", "--out", tmp_path / "o", *options)
    assert said.code == 0
    assert read(tmp_path / "o" / "train.parquet", "item", "rank") == [
        {
            "item": "safe",
            "rank": 1,
            "caption": "a clean window 5",
            "url": "https://images.example/s.jpg",
        },
        {
            "item": "unsafe",
            "rank": 1,
            "caption": "a broken window 1",
            "url": "http://images.example/u",
        },
    ]
