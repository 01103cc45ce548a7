"""A data set whose splits share pictures or captions says so when `train` and `eval` read it."""

from __future__ import annotations

import json
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
    told = f"{validation} a caption with training pairs, so figures on them are too good"
    assert told in said.out
    again = call(*options, *how, "--quiet")
    assert again.err == ""
    assert told in again.out
    adapter = json.loads((tmp_path / "run" / "model" / "adapter.json").read_bytes())
    assert adapter["overlap"]["captions"] == validation


def test_the_card_of_an_exported_model_says_it(
    place: Place, leaking: tuple[Place, int, int], tmp_path: Path
) -> None:
    """Half of the validation pairs are in train too, so that some are left to validate on."""
    copy = place.copy(tmp_path / "half")
    for path in (copy.data / "data").glob("validation-*.parquet"):
        table = pq.read_table(path).slice(0, 1)
        spot = table.column_names.index("split")
        train = table.set_column(spot, "split", pa.array(["train"]))
        pq.write_table(train, path.with_name(path.name.replace("validation", "train-again")))
    for one, noted in ((place, False), (copy, True)):
        run, out = tmp_path / f"run-{noted}", tmp_path / f"out-{noted}"
        found = one.train(run, epochs=1, curriculum="all").facts["overlap"]
        assert call("export", "--run", run, "--to", "open_clip", "--out", out).code == 0
        validation = (out / "README.md").read_text().partition("## Validation")[2]
        told = f"{found['pictures']} share a picture and {found['captions']} a caption"
        assert (f"Note: of {found['held_out']} validation" in validation) is noted
        assert (told in validation) is noted


def test_inspect_says_it(place: Place, leaking: tuple[Place, int, int]) -> None:
    options = ("--split", "all", "--caption-column", "safe_caption")
    said = call("inspect", leaking[0].data, *options)
    assert said.code == 0
    assert f"{leaking[1]} share a picture" in said.err
    assert "share a picture" not in call("inspect", place.data, *options).err


def test_eval_says_it(place: Place, leaking: tuple[Place, int, int], tmp_path: Path) -> None:
    options = (f"--model=model={place.model}", "--device=cpu", "--samples=100", "--no-examples")
    out = ("--suite", "retrieval,preferences", "--out")
    told, results = f"{leaking[1]} share a picture", tmp_path / "leaking-eval"
    for data in (leaking[0].data, next(iter((leaking[0].data / "data").glob("test-*.parquet")))):
        given = ("eval", "--data", f"work={data}", *options, *out, results)
        said = call(*given, "--quiet")
        assert (said.code, said.err) == (0, "")
        for task in ("retrieval", "preferences"):
            assert f"work, {task}, note: of " in said.out
            notes = call(*given, "--json").json["basis"][f"work, {task}"]["notes"]
            assert told in notes[0]
            content = json.loads((results / f"results/work/{task}/model.json").read_bytes())
            assert told in content["nsfwcaps"]["facts"]["notes"][0]
        assert told in said.out
    assert call("report", results).code == 0
    assert f"{told} and " in (results / "report.md").read_text()
    for given in (place.data, "--split", "all"), (leaking[0].data, "--split", "train"):
        said = call(
            "eval", "--data", *given, *options, *out, tmp_path / "clean-eval", "--overwrite"
        )
        assert said.code == 0
        assert "share a picture" not in said.out + said.err
