"""export-data, imagefolder: as `datasets` loads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from datasets import load_dataset
from support.pair_release import row, write_release
from support.shell import call


def loaded(tmp_path: Path, splits: dict[str, Any], *options: object) -> tuple[Any, Any]:
    release = write_release(tmp_path / "set", splits)
    out = tmp_path / "out"
    chosen = [part for name in splits for part in ("--split", name)]
    said = call(
        *("export-data", release, "--to", "imagefolder", "--out", out, "--json", *chosen, *options)
    )
    assert (said.code, said.err) == (0, "")
    return load_dataset("imagefolder", data_dir=str(out)), said.json


def shade(image: Any) -> int:
    return int(np.asarray(image)[0, 0, 0])


def test_both_images_of_each_pair(tmp_path: Path) -> None:
    splits = {"train": [row(1, 5), row(2, 5)], "validation": [row(3, 6)], "test": [row(4, 7)]}
    found, facts = loaded(tmp_path, splits)
    assert facts["written"] == {"train": 2, "validation": 1, "test": 1}
    assert {name: part.num_rows for name, part in found.items()} == facts["written"]
    second = found["train"][1]
    assert (shade(second.pop("unsafe")), shade(second.pop("safe"))) == (102, 5)
    assert second == {
        "pair_id": f"{2:016d}{5:016d}",
        "unsafe_caption": "a broken window 2",
        "safe_caption": "a clean window 5",
        "category": "shocking",
        "stage": "easy",
    }
    assert shade(found["test"][0]["unsafe"]) == 104


def test_a_pair_with_one_image_and_one_without(tmp_path: Path) -> None:
    pairs = [
        row(1, 5, unsafe_image=None),
        row(2, 6, unsafe_image=None, safe_image=None),
        row(3, 7, unsafe_image={"bytes": b"no picture", "path": None}),
    ]
    found, facts = loaded(tmp_path, {"train": pairs})
    assert facts["left_out"] == {"image_missing": 1, "image_undecodable": 1}
    assert [one["unsafe"] for one in found["train"]] == [None, None]
    assert [shade(one["safe"]) for one in found["train"]] == [5, 7]


def test_chosen_columns_keep_their_types(tmp_path: Path) -> None:
    pairs = [row(1, 5, sim_text=0.5, flags=None, category=None)]
    options = ("--columns", "sim_text", "--columns", "rank", "--columns", "category")
    found, _ = loaded(tmp_path, {"train": pairs}, *options)
    first = found["train"][0]
    assert {name: first[name] for name in ("sim_text", "rank", "category")} == {
        "sim_text": 0.5,
        "rank": 1,
        "category": None,
    }
    assert found["train"].features["rank"].dtype == "int32"
