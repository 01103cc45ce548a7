"""From pools to the card: truncated captions, other scripts, hidden characters, kept columns."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.shell import Said, call
from support.small_release import rows_of

SAFE = [f"a vase on table {number} near the {thing}" for number in range(6) for thing in ("door",)]
UNSAFE = [f"a handgun on table {number} near the door" for number in range(4)]
# 400 words each, in less than the 2,000 characters that ingest takes.
LONG = ["a cup " * 199 + f"of {end}" for end in ("a lamp", "a lime")]


def jsonl(path: Path, captions: list[str]) -> Path:
    path.write_text("".join(json.dumps({"caption": item}) + "\n" for item in captions))
    return path


def built(tmp_path: Path, safe: Path, unsafe: Path, *more: object) -> tuple[Said, dict[str, Any]]:
    """Build a data set with minilm; return what was printed, and the facts by stage."""
    out = tmp_path / "run"
    pools = ("--safe", safe, "--unsafe", unsafe, "--no-images", "--model", "minilm")
    said = call("build", "--out", out, *pools, "--test-share", "0", *more)
    assert said.code == 0, said.err
    records = {name: out / name / "stage.json" for name in ("ingest", "embed", "publish")}
    return said, {name: json.loads(path.read_bytes())["facts"] for name, path in records.items()}


def test_captions_equal_but_for_their_ends_are_flagged_and_counted(tmp_path: Path) -> None:
    safe = jsonl(tmp_path / "safe.jsonl", [*SAFE, LONG[0]])
    unsafe = jsonl(tmp_path / "unsafe.jsonl", [*UNSAFE, LONG[1]])
    said, facts = built(tmp_path, safe, unsafe)
    assert facts["embed"]["truncated"] == {"safe": 1, "unsafe": 1}
    assert (said.out + said.err).count("truncated at 256 tokens: 1 safe, 1 unsafe") == 1
    [row] = [row for row in rows_of(tmp_path / "run" / "dataset") if row["flags"]]
    assert row["flags"] == ["unsafe_truncated", "safe_truncated"]
    assert row["sim_text"] == pytest.approx(1, abs=1e-3)
    assert facts["publish"]["flags"] == {"safe_truncated": 1, "unsafe_truncated": 1}
    card = (tmp_path / "run" / "dataset" / "README.md").read_text(encoding="utf-8")
    assert "Captions longer than its window of 256 tokens: 1 unsafe, 1 safe;" in card
    assert "| `safe_truncated` | 1 |" in card


def test_chinese_captions_under_minilm_are_warned_of_once(tmp_path: Path) -> None:
    chinese = ["\u684c\u5b50\u4e0a\u6709\u4e00\u628a\u624b\u67aa", "\u4e00\u628a\u5200"]
    safe = jsonl(tmp_path / "safe.jsonl", SAFE)
    said, facts = built(tmp_path, safe, jsonl(tmp_path / "unsafe.jsonl", [*UNSAFE, *chinese]))
    printed = said.out + said.err
    assert printed.count("not in Latin script, though it reads English: 2 unsafe") == 1
    assert not any(caption in printed for caption in chinese)
    assert facts["embed"]["non_latin"] == {"safe": 0, "unsafe": 2}
    assert facts["embed"]["encoder"]["languages"] == "English"
    assert facts["publish"]["flags"] == {"unsafe_non_latin": 2}


def test_hidden_characters_are_removed_and_counted(tmp_path: Path) -> None:
    spoofed = ["a lamp \u202erood a raen\u202c", "a clock\U000e0041\U000e0042 on a wall"]
    safe = jsonl(tmp_path / "safe.jsonl", [*SAFE, *spoofed])
    said, facts = built(tmp_path, safe, jsonl(tmp_path / "unsafe.jsonl", UNSAFE))
    assert [pool["hidden_characters"] for pool in facts["ingest"]["pools"]] == [2, 0]
    assert "hidden characters removed from 2" in said.out + said.err
    card = (tmp_path / "run" / "dataset" / "README.md").read_text(encoding="utf-8")
    assert "Captions that lost characters that hide text or spoof its display: 2." in card


def test_doubts_about_the_safe_side_reach_the_pairs(tmp_path: Path) -> None:
    mislabelled = "A handgun lying on a wooden table near the door"
    copy = "near the door, on table 3: a handgun"
    safe = jsonl(tmp_path / "safe.jsonl", [*SAFE, mislabelled, copy])
    unsafe = jsonl(tmp_path / "unsafe.jsonl", UNSAFE)
    _, facts = built(tmp_path, safe, unsafe, "--k", len(SAFE) + 2)  # every safe caption
    rows = rows_of(tmp_path / "run" / "dataset")
    expected = {mislabelled: ["safe_hazard"], copy: ["safe_hazard", "safe_near_unsafe"]}
    for row in rows:
        assert row["flags"] == expected.get(row["safe_caption"], [])
    assert facts["publish"]["flags"] == {"safe_hazard": 8, "safe_near_unsafe": 4}


VISU = [
    {
        "incremental_id": number,
        "safe": f"A phone on table {number}",
        "nsfw": f"A handgun on table {number}",
        "coco_id": 90 + number,
        "tag": "weapons",
        "score": number / 2,
        "checked": number % 2 == 0,
        "code": f"00{number}",
    }
    for number in range(8)
]
KEPT = ("--keep-columns", "incremental_id,coco_id", "--keep-columns", "score,checked,code")
TYPES = {
    "incremental_id": pa.int64(),
    "coco_id": pa.int64(),
    "score": pa.float64(),
    "checked": pa.bool_(),
    "code": pa.string(),
}


@pytest.mark.parametrize("form", ["json", "csv", "parquet"])
def test_ids_of_a_paired_set_arrive_typed_on_every_side(tmp_path: Path, form: str) -> None:
    pool = tmp_path / f"visu.{form}"
    if form == "json":
        pool.write_text(json.dumps(VISU))
    elif form == "csv":
        with pool.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, VISU[0])
            writer.writeheader()
            writer.writerows(VISU)
    else:
        pq.write_table(pa.Table.from_pylist(VISU), pool)
    built(tmp_path, pool, pool, *KEPT)
    dataset = tmp_path / "run" / "dataset"
    found = pq.read_schema(next((dataset / "data").iterdir()))
    for name, kind in TYPES.items():
        assert {found.field(f"{side}_{name}").type for side in ("unsafe", "safe", "partner")} == {
            kind
        }
    by = {
        side: {row[name]: row for row in VISU}
        for side, name in (("unsafe", "nsfw"), ("safe", "safe"), ("partner", "safe"))
    }
    rows = rows_of(dataset)
    assert len(rows) == len(VISU)
    for row in rows:
        for side, known in by.items():
            expected = known.get(row[f"{side}_caption"], dict.fromkeys(TYPES))
            assert {name: row[f"{side}_{name}"] for name in TYPES} == {
                name: expected[name] for name in TYPES
            }
    card = (dataset / "README.md").read_text(encoding="utf-8")
    assert "| `unsafe_coco_id` | int64 | column of this name in the pool of the unsafe" in card


def test_wrong_names_of_kept_columns_end_early(tmp_path: Path) -> None:
    pool = tmp_path / "visu.json"
    pool.write_text(json.dumps(VISU))
    pools = ("ingest", "--out", tmp_path / "run", "--safe", pool, "--unsafe", pool)
    taken = call(*pools, "--keep-columns", "coco_id,source")
    assert taken.code == 2
    assert "keep_columns: 'source' cannot be kept" in taken.err
    unknown = call(*pools, "--keep-columns", "coco_idd")
    assert unknown.code == 3
    assert "did you mean 'coco_id'?" in unknown.err
