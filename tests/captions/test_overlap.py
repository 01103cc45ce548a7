"""What held-out pairs share with training pairs, by the columns of ids and picture hashes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from nsfwcaps.captions.overlap import Overlap, overlap, overlap_at, overlap_note

_TEXT = {name: f"{name:0>16}" for name in "abcdefgh"}


def item(text: str, picture: str | None) -> tuple[str, str | None]:
    """Id of a caption with its picture: the first half is that of the text."""
    return f"{_TEXT[text]}{picture or '':0>16}", picture


def publish(folder: Path, rows: list[dict[str, Any]]) -> Path:
    (folder / "data").mkdir(parents=True)
    for number, split in enumerate(["train", "validation", "test"]):
        table = pa.Table.from_pylist([row for row in rows if row["split"] == split])
        if table.num_rows:
            pq.write_table(table, folder / "data" / f"{split}-{number}.parquet")
    return folder


def pair(
    split: str,
    unsafe: tuple[str, str | None],
    safe: tuple[str, str | None],
    partner: tuple[str, str | None] | None = None,
) -> dict[str, Any]:
    sides = {"unsafe": unsafe, "safe": safe, "partner": partner or (None, None)}
    return {"split": split} | {
        f"{side}_{name}": value
        for side, pair in sides.items()
        for name, value in zip(("id", "image_sha256"), pair, strict=True)
    }


def test_held_out_pairs_are_counted_once(tmp_path: Path) -> None:
    data = publish(
        tmp_path,
        [
            pair("train", item("a", None), item("b", "p1")),
            pair("train", item("c", "p2"), item("d", "p3"), item("e", "p4")),
            # Another caption of a training picture; its own caption is new.
            pair("test", item("f", "p9"), item("g", "p1")),
            # The caption of a partner in train, with another picture.
            pair("test", item("h", None), item("e", "p8")),
            # Both, on both sides.
            pair("validation", item("c", "p2"), item("d", "p3")),
            # The picture of its partner is the unsafe picture of a training pair.
            pair("validation", item("f", None), item("g", "p7"), item("h", "p2")),
            pair("validation", item("f", None), item("g", "p7")),
        ],
    )
    assert overlap(data) == Overlap(held_out=5, pictures=3, captions=2)
    note = overlap_note(data)
    assert note is not None
    assert "of 5 validation and test pairs, 3 share a picture and 2 a caption" in note
    assert "publish again" in note


def test_splits_that_share_nothing_need_no_note(tmp_path: Path) -> None:
    rows = [
        pair("train", item("a", "p1"), item("b", None)),
        pair("test", item("c", "p2"), item("d", None)),
    ]
    assert overlap(publish(tmp_path, rows)) == Overlap(held_out=1, pictures=0, captions=0)
    assert overlap_note(tmp_path) is None


def test_a_file_of_a_published_set_is_measured_with_the_files_beside_it(tmp_path: Path) -> None:
    rows = [
        pair("train", item("a", "p1"), item("b", None)),
        pair("test", item("c", "p1"), item("d", None)),
    ]
    data = publish(tmp_path / "set", rows)
    test = data / "data" / "test-2.parquet"
    found = Overlap(held_out=1, pictures=1, captions=0)
    assert overlap(test) == overlap(data / "data") == overlap(data) == found
    assert overlap_at([str(test)]) == overlap_at([test.as_uri()]) == found
    # Elsewhere a file has no files beside it; with all splits it tells itself.
    alone = tmp_path / "test.parquet"
    alone.write_bytes(test.read_bytes())
    assert overlap(alone) == overlap_at([str(alone)]) == replace(found, pictures=0)
    pq.write_table(pq.read_table(data / "data", partitioning=None), tmp_path / "whole.parquet")
    assert overlap_at([str(tmp_path / "whole.parquet")]) == found


def test_safe_items_and_other_files_are_not_measured(tmp_path: Path) -> None:
    rows = [
        pair("train", item("a", "p1"), item("b", None)),
        pair("test", item("c", "p1"), item("d", None)),
    ]
    test = publish(tmp_path, rows) / "data" / "test-2.parquet"
    (tmp_path / "safe").mkdir()
    safe = tmp_path / "safe" / "train.parquet"
    pq.write_table(pa.table({"safe_id": ["a"]}), safe)
    assert overlap_at([str(test), str(safe)]) == Overlap(held_out=1, pictures=1, captions=0)
    table = tmp_path / "pairs.csv"
    table.write_text("split\ntest\n")
    assert overlap_at([str(table)]) is None
    labels = tmp_path / "labels.parquet"
    pq.write_table(pa.table({"split": [1, 2], "caption": ["a cup", "a mug"]}), labels)
    assert not overlap_at([str(labels)])


def test_other_folders_have_no_overlap(tmp_path: Path) -> None:
    assert overlap(tmp_path) is None
    (tmp_path / "data").mkdir()
    pq.write_table(pa.table({"caption": ["a spoon"]}), tmp_path / "data" / "train.parquet")
    assert overlap(tmp_path) is None
    (tmp_path / "data" / "broken.parquet").write_bytes(b"PAR1")
    assert overlap_note(tmp_path) is None
