"""A data set whose splits share pictures or captions says so when `train` and `eval` read it."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.shell import call
from support.training_place import Place


@pytest.fixture
def leaking(place: Place, tmp_path: Path) -> tuple[Place, int, int]:
    """Every validation pair is in train too; the numbers of those pairs and of test pairs."""
    copy = place.copy(tmp_path / "leaking")
    data, validation = copy.data / "data", 0
    for path in data.glob("validation-*.parquet"):
        table = pq.read_table(path)
        validation += table.num_rows
        spot = table.column_names.index("split")
        train = table.set_column(spot, "split", pa.array(["train"] * table.num_rows))
        pq.write_table(train, path.with_name(path.name.replace("validation", "train-again")))
    test = sum(pq.read_metadata(path).num_rows for path in data.glob("test-*.parquet"))
    return copy, validation, test


def test_the_record_of_a_run_counts_them(
    place: Place, leaking: tuple[Place, int, int], tmp_path: Path
) -> None:
    copy, validation, test = leaking
    clean = place.train(tmp_path / "clean", epochs=1).facts["overlap"]
    assert clean == {"held_out": validation + test, "pictures": 0, "captions": 0}
    found = copy.train(tmp_path / "run", epochs=1).facts["overlap"]
    assert found == {"held_out": validation + test, "pictures": validation, "captions": validation}


def test_train_says_it_before_it_trains(leaking: tuple[Place, int, int], tmp_path: Path) -> None:
    copy, validation, test = leaking
    how = ("--device", "cpu", "--epochs", 1, "--batch-size", 8, "--rank", 4, "--no-events")
    options = ("train", "--data", copy.data, "--model", copy.model, "--out", tmp_path / "run")
    said = call(*options, *how)
    assert said.code == 0
    assert (
        f"of {validation + test} validation and test pairs, {validation} share a picture and "
        f"{validation} a caption with training pairs"
    ) in said.err
    assert call(*options, *how, "--quiet").err == ""


def test_inspect_says_it(place: Place, leaking: tuple[Place, int, int]) -> None:
    options = ("--split", "all", "--caption-column", "safe_caption")
    said = call("inspect", leaking[0].data, *options)
    assert said.code == 0
    assert f"{leaking[1]} share a picture" in said.err
    assert "share a picture" not in call("inspect", place.data, *options).err


def test_eval_says_it(place: Place, leaking: tuple[Place, int, int], tmp_path: Path) -> None:
    options = ("--model", place.model, "--device", "cpu", "--samples", 100, "--no-examples")
    out = ("--suite", "retrieval", "--out")
    said = call("eval", "--data", leaking[0].data, *options, *out, tmp_path / "leaking-eval")
    assert said.code == 0
    assert f"{leaking[1]} share a picture" in said.err
    said = call("eval", "--data", place.data, *options, *out, tmp_path / "clean-eval")
    assert said.code == 0
    assert "share a picture" not in said.err
