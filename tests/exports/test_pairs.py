"""export-data of pairs: runs and data sets, bad input in one line, and nothing left behind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.pair_release import row, write_release
from support.shell import Said, call
from support.small_release import release, tiny_world

from nsfwcaps.exports.formats import DataFormat

OF_PAIRS = [to for to in DataFormat if to is not DataFormat.CLIP_RETRIEVAL]


def export(source: Path, to: str, out: Path, *options: object) -> Said:
    said = call("export-data", source, "--to", to, "--out", out, *options)
    assert "Traceback" not in said.err
    return said


def refused(said: Said, code: int, *words: str) -> None:
    assert (said.code, said.err.count("\n"), said.out) == (code, 1, "")
    for word in words:
        assert word in said.err


def test_a_run_is_exported_with_its_next_counterparts(tmp_path: Path) -> None:
    shares = {"validation_share": 0.0, "test_share": 0.0}
    data_set = release(tiny_world(), tmp_path, mine={"k": 3}, publish=shares)
    said = export(data_set.parent, "sentence-transformers", tmp_path / "a", "--quiet")
    assert (said.code, said.err) == (0, "")
    assert said.out == (
        f"Exported 4 train to sentence-transformers: {tmp_path / 'a'}\n"
        f"Next, to load it: datasets.load_dataset('{tmp_path / 'a'}')\n"
    )
    assert export(data_set, "sentence-transformers", tmp_path / "b").code == 0
    same = [(tmp_path / name / "train.parquet").read_bytes() for name in ("a", "b")]
    assert same[0] == same[1]
    record = json.loads((tmp_path / "a" / "export.json").read_text())
    assert record["files"] == ["README.md", "train.parquet"]


@pytest.mark.parametrize("to", OF_PAIRS)
def test_each_format_says_how_to_load_it(to: str, tmp_path: Path) -> None:
    address = "https://images.example/1.jpg"
    data = {name: [row(1, 1, safe_image_path=address)] for name in ("train", "test")}
    said = export(write_release(tmp_path / "set", data), to, tmp_path / "out", "--quiet")
    assert (said.code, said.err) == (0, "")
    split = "test" if to == "clip-benchmark" else "train"
    assert said.out.startswith(f"Exported 1 {split} to {to}: {tmp_path}/out\n")
    assert "\nNext, to load it: " in said.out
    assert str(tmp_path / "out") in said.out.splitlines()[-1]


def test_what_is_no_data_set_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "out"
    refused(export(tmp_path / "gone", "tevatron", out), 4, "gone: no such folder")
    (tmp_path / "empty").mkdir()
    refused(export(tmp_path / "empty", "tevatron", out), 4, "expected data/*.parquet")
    run = tmp_path / "run"
    (run / "ingest").mkdir(parents=True)
    (run / "ingest" / "stage.json").write_text("{}")
    refused(export(run, "tevatron", out), 4, "has no data set yet", "nsfwcaps build --out")
    data_set = write_release(tmp_path / "set", {"train": [row(1, 1)]})
    file = next((data_set / "data").iterdir())
    whole = file.read_bytes()
    file.write_bytes(whole[:-40])
    refused(export(data_set, "tevatron", out), 4, "is damaged")
    file.write_bytes(whole)
    file.rename(file.with_name("pairs.parquet"))
    refused(export(data_set, "tevatron", out), 3, "not named by its split")
    assert not out.exists()


def test_damage_inside_a_file_leaves_nothing(tmp_path: Path) -> None:
    data_set = write_release(tmp_path / "set", {"train": [row(n, n) for n in range(50)]})
    file = next((data_set / "data").iterdir())
    whole = bytearray(file.read_bytes())
    whole[4 : len(whole) // 2] = bytes(len(whole) // 2 - 4)
    file.write_bytes(whole)
    refused(export(data_set, "open-clip-csv", tmp_path / "out"), 4, "is damaged")
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_a_column_that_is_absent_is_named(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    data_set = write_release(tmp_path / "set", {"train": [row(1, 1), row(1, 2, 2)]})
    out = tmp_path / "out"
    said = export(data_set, "imagefolder", out, "--columns", "colour")
    refused(said, 3, "--columns colour", "it has pair_id, unsafe_id")
    refused(export(data_set, "imagefolder", out, "--columns", "safe_image"), 3, "no such column")
    file = next((data_set / "data").iterdir())
    table = pq.read_table(file)
    pq.write_table(table.drop_columns(["rank"]), file)
    said = export(data_set, "tevatron", out, "--negatives", "candidates")
    refused(said, 3, "no column rank", "--negatives unsafe")
    pq.write_table(table.drop_columns(["safe_caption"]), file)
    refused(export(data_set, "tevatron", out), 3, "has no column safe_caption")
    assert not out.exists()


def test_a_split_without_pairs_is_refused(tmp_path: Path) -> None:
    data_set = write_release(tmp_path / "set", {"train": [row(1, 1)], "test": []})
    out = tmp_path / "out"
    for split in ("validation", "test"):
        said = export(data_set, "open-clip-csv", out, "--split", split)
        refused(said, 3, f"no pairs in the split {split}", "--split: train")
    refused(export(data_set, "clip-benchmark", out), 3, "no pairs in the split test")
    assert not out.exists()


@pytest.mark.parametrize(
    "to", ["open-clip-csv", "open-clip-webdataset", "imagefolder", "clip-benchmark"]
)
def test_a_format_of_images_needs_them(to: str, tmp_path: Path) -> None:
    pairs = {"train": [row(1, 1)], "test": [row(2, 2)]}
    data_set = write_release(tmp_path / "set", pairs, with_pictures=False)
    said = export(data_set, to, tmp_path / "out")
    refused(said, 3, "nothing of the split", "1 image_missing", "--carry-images")
    assert [path.name for path in tmp_path.iterdir()] == ["set"]


def test_images_without_an_address(tmp_path: Path) -> None:
    data_set = write_release(tmp_path / "set", {"train": [row(1, 1)]})
    said = export(data_set, "img2dataset", tmp_path / "out")
    refused(said, 3, "1 no_address", "img2dataset needs image addresses")


@pytest.mark.parametrize("to", ["sentence-transformers", "tevatron", "flagembedding"])
def test_one_counterpart_each_has_no_candidates(to: str, tmp_path: Path) -> None:
    data_set = write_release(tmp_path / "set", {"train": [row(1, 1), row(2, 2)]})
    said = export(data_set, to, tmp_path / "out", "--negatives", "candidates")
    refused(said, 3, "2 no_negative", "mine with --k 2", "--negatives none")
    said = export(data_set, to, tmp_path / "out", "--quiet")
    assert "Without negatives: pairs have none but those of their batch\n" in said.out


def test_a_candidate_with_the_same_text_is_no_negative(tmp_path: Path) -> None:
    pairs = [row(1, 1), row(1, 2, 2, safe_caption="A clean  window 1"), row(1, 3, 3)]
    data_set = write_release(tmp_path / "set", {"train": pairs})
    assert export(data_set, "flagembedding", tmp_path / "out").code == 0
    line = json.loads((tmp_path / "out" / "train" / "train.jsonl").read_text())
    assert line == {
        "query": "a broken window 1",
        "pos": ["a clean window 1"],
        "neg": ["a clean window 3"],
    }


@pytest.mark.parametrize(
    ("to", "options"),
    [
        ("open-clip-csv", ("--negatives", "none")),
        ("imagefolder", ("--items", "safe")),
        ("imagefolder", ("--negative-count", 2)),
        ("sentence-transformers", ("--columns", "pair_id")),
        ("tevatron", ("--shard-rows", 5)),
        ("clip-retrieval", ("--split", "test")),
    ],
)
def test_a_choice_that_a_format_has_not(
    to: str, options: tuple[object, ...], tmp_path: Path
) -> None:
    data_set = write_release(tmp_path / "set", {"train": [row(1, 1)]})
    said = export(data_set, to, tmp_path / "out", *options)
    refused(said, 2, f"{options[0]}: {to} has no such choice")


def test_only_candidates_can_be_several(tmp_path: Path) -> None:
    data_set = write_release(tmp_path / "set", {"train": [row(1, 1)]})
    said = export(
        *(data_set, "tevatron", tmp_path / "out"),
        *("--negatives", "unsafe", "--negative-count", 3),
    )
    refused(said, 2, "--negative-count 3", "--negatives candidates")


def test_other_files_are_never_replaced(tmp_path: Path) -> None:
    data_set = write_release(tmp_path / "set", {"train": [row(1, 1)]})
    out = tmp_path / "out"
    assert export(data_set, "tevatron", out).code == 0
    assert export(data_set, "open-clip-csv", out).code == 0
    assert not (out / "train").exists()
    (out / "notes.txt").write_text("mine")
    refused(export(data_set, "tevatron", out), 7, "notes.txt", "choose another --out")
    assert (out / "notes.txt").read_text() == "mine"
