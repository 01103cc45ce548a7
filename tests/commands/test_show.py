"""`nsfwcaps show`, and what a run says of its pairs when it ends."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from support.shell import MARKER, call, environment, write_pools
from support.small_release import release, rows_of, tiny_world

import nsfwcaps

ESC = "\x1b"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of mild captions with real vectors, from the bundled pools."""
    folder = tmp_path_factory.mktemp("bundled") / "run"
    said = call("run", "mine", "-w", folder, "-q")
    assert said.code == 0
    return folder


@pytest.fixture(scope="module")
def pairs(run: Path) -> list[dict[str, Any]]:
    return rows_of(run / "dataset")


def shown(*arguments: object) -> list[dict[str, Any]]:
    said = call("show", *arguments, "--json")
    assert said.code == 0, said.err
    found: list[dict[str, Any]] = said.json["shown"]
    return found


def test_a_run_ends_with_how_close_its_pairs_are(tmp_path: Path) -> None:
    first = call("run", "mine", "-w", tmp_path / "run")
    block = first.out.partition("\n\n")[2].splitlines()
    assert block[:3] == [
        "Cosines by minilm        pairs  lower quartile  median  upper quartile    below 0.51",
        "all pairs                  139            0.82    0.85            0.88            0%",
        "  weapons                   61            0.85    0.87            0.89            0%",
    ]
    assert block[6:11] == [
        "  fire                       8            0.75    0.78            0.80            0%",
        "Below 0.51, more pairs are wrong than right. Of 1,174 pairs with known counterparts,",
        "70 % [65, 75] of those below it were wrong, 81 % [78, 83] of those above it right.",
        "Targets: each is in one pair",
        f"Look at pairs: nsfwcaps show {tmp_path / 'run'}",
    ]
    again = call("run", "mine", "-w", tmp_path / "run")
    assert "Cosines" not in again.out
    found = call("run", "mine", "-w", tmp_path / "run", "--json").json["quality"]
    cosines = [row["sim_text"] for row in rows_of(tmp_path / "run/dataset")]
    assert found["overall"]["quartiles"] == pytest.approx(
        np.quantile(cosines, [0.25, 0.5, 0.75]), abs=6e-5
    )
    assert (found["overall"]["pairs"], found["overall"]["below"]) == (139, 0)
    assert found["suggestions"] == []
    manifest = json.loads((tmp_path / "run/dataset/manifest.json").read_bytes())
    of_publish = manifest["stages"]["publish"]["facts"]["quality"]
    assert of_publish == {name: found[name] for name in of_publish}
    card = (tmp_path / "run/dataset/README.md").read_text()
    assert "| all pairs | 139 | 0.82 | 0.85 | 0.88 | 0.0% |" in card
    assert nsfwcaps.Run(tmp_path / "run").quality == found
    assert "Cosines by minilm" in nsfwcaps.Run(tmp_path / "run").summary()


def test_a_foreign_encoder_has_no_border(tmp_path: Path) -> None:
    pools = write_pools(tmp_path / "pools")
    said = call("build", "--out", tmp_path / "run", *pools.options)
    assert "No border: no border is measured for this encoder." in said.out
    assert "below 0" not in said.out
    assert "Suggestion" not in said.out


def test_captions_are_covered_unless_revealed(tmp_path: Path) -> None:
    pools = write_pools(tmp_path / "pools")
    call("build", "--out", tmp_path / "run", *pools.options)
    said = call("show", tmp_path / "run")  # fails if a caption is printed
    assert said.code == 0
    assert said.out.count("▇▇▇") == 40
    assert MARKER not in json.dumps(call("show", tmp_path / "run", "--json").json)
    mild = release(tiny_world(), tmp_path / "mild").parent
    text = call("show", mild, "--reveal").out
    assert text.count("a handgun in drawer") == text.count("a spoon in drawer") == 4


def test_filters_equal_filtering_the_published_rows(run: Path, pairs: list[dict[str, Any]]) -> None:
    def ids(*options: object) -> set[str]:
        return {row["pair_id"] for row in shown(run, "-n", 1000, *options)}

    def wanted(**values: Any) -> set[str]:
        return {
            row["pair_id"] for row in pairs if all(row[name] == v for name, v in values.items())
        }

    assert ids() == wanted()
    assert ids("--stage", "easy") == wanted(stage="easy")
    assert ids("--category", "FIRE") == wanted(category="fire")
    assert ids("--split", "test", "--stage", "hard") == wanted(split="test", stage="hard")
    assert ids("--category", "fire", "--category", "crime") == (
        wanted(category="fire") | wanted(category="crime")
    )
    for option, holds in (("--below", lambda value: value < 0.8), ("--above", lambda v: v >= 0.8)):
        assert ids(option, 0.8) == {r["pair_id"] for r in pairs if holds(r["sim_text"])}
    one = pairs[5]
    assert ids("--target", one["safe_id"][:8].upper()) == wanted(safe_id=one["safe_id"])
    assert ids("--unsafe", one["unsafe_id"]) == wanted(unsafe_id=one["unsafe_id"])


def test_orders(run: Path, pairs: list[dict[str, Any]]) -> None:
    for order, key in (
        ("similarity", lambda row: -row["sim_text"]),
        ("dissimilarity", lambda row: row["sim_text"]),
        ("hardest", lambda row: -row["difficulty"]),
    ):
        wanted = sorted(pairs, key=lambda row: (key(row), row["pair_id"]))[:7]
        found = shown(run, "-n", 7, "--order", order)
        assert [row["pair_id"] for row in found] == [row["pair_id"] for row in wanted]
    first, again, other = (
        [row["pair_id"] for row in shown(run, "-n", 7, "--seed", seed)] for seed in (0, 0, 1)
    )
    assert first == again != other


def test_pairs_are_those_of_the_last_stage_that_fits(tmp_path: Path) -> None:
    work = release(tiny_world(), tmp_path).parent

    def pairs_of() -> str:
        said = call("show", work, "--json")
        assert said.code == 0, said.err
        return str(said.json["pairs_of"])

    assert pairs_of() == "publish"
    texts = {row["pair_id"]: row["unsafe"]["caption"] for row in shown(work, "--reveal")}
    call("mine", "-w", work, "--rank", "cosine", "--hub-cap", 1)
    assert pairs_of() == "mine"
    refused = call("show", work, "--stage", "easy")
    assert (refused.code, refused.err) == (
        4,
        "error: --stage: the pairs of mine have no levels; "
        f"run 'nsfwcaps grade --workdir {work}' first\n",
    )
    call("grade", "-w", work)
    assert pairs_of() == "grade"
    found = {row["pair_id"]: row["unsafe"]["caption"] for row in shown(work, "--reveal")}
    assert found.items() & texts.items()
    assert all(text.startswith("a handgun in drawer") for text in found.values())
    shutil.rmtree(work / "ingest")
    assert {row["unsafe"]["caption"] for row in shown(work, "--reveal")} == {None}
    assert "text not kept" in call("show", work, "--reveal").out


def test_a_data_set_alone_is_read(run: Path, pairs: list[dict[str, Any]], tmp_path: Path) -> None:
    alone = tmp_path / "alone"
    shutil.copytree(run / "dataset", alone)
    found = {row["pair_id"]: row for row in shown(alone, "-n", 1000, "--reveal")}
    assert {name: row["safe"]["caption"] for name, row in found.items()} == {
        row["pair_id"]: row["safe_caption"] for row in pairs
    }
    said = call("show", alone, "--summary")
    assert said.out.splitlines()[1] == call("show", run, "--summary").out.splitlines()[1]
    (alone / "manifest.json").unlink()
    assert "No border" in call("show", alone, "--summary").out


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--stage", "hardd"], 2, "--stage: no pair has 'hardd'; did you mean 'hard'? there are: "),
        (["--category", "boats"], 2, "there are: weapons, crime, drugs and smoking, vandalism"),
        (["--split", "dev"], 2, "there are: train, "),
        (["--below", "0.2", "--above", "0.4"], 2, "leave no cosine"),
    ],
)
def test_unknown_values_are_one_error_that_lists_those_there(
    run: Path, options: list[str], code: int, said: str
) -> None:
    found = call("show", run, *options)
    assert found.code == code
    assert found.out == ""
    assert said in found.err
    assert found.err.count("\n") == 1


def test_nothing_that_matches_is_no_error(run: Path) -> None:
    said = call("show", run, "--below", "0.1")
    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines()[0].endswith("139 pairs of publish, 0 with cosine below 0.1")
    assert re.fullmatch(r"no pair; all cosines are from 0\.\d+ to 0\.\d+", said.out.splitlines()[1])
    assert shown(run, "--target", "zz") == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nowhere", "no such folder; expected the folder of a run or of a data set"),
        ("empty", "has no pairs: it is neither a run with the stage mine nor"),
        ("file", "is a file; expected"),
        ("run/mine", "is the folder of one stage; give its run: "),
        ("half", "has no pairs yet; run 'nsfwcaps mine --workdir"),
    ],
)
def test_folders_without_pairs(tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("a lamp")
    work = release(tiny_world(), tmp_path / "made").parent
    shutil.copytree(work, tmp_path / "run")
    shutil.copytree(work / "ingest", tmp_path / "half" / "ingest")
    found = call("show", tmp_path / name)
    assert (found.code, found.out) == (4, "")
    assert said in found.err


def hostile(folder: Path) -> Path:
    """A data set whose captions hold what a terminal would obey."""
    dataset = release(tiny_world(), folder / "made")
    (path, *_) = sorted((dataset / "data").glob("*.parquet"))
    table = pq.read_table(path)
    texts = [f"{ESC}[2J{ESC}]0;title\x07lamp\u202e\nnext " + "word " * 900] * table.num_rows
    at = table.schema.get_field_index("safe_caption")
    table = table.set_column(at, "safe_caption", pa.array(texts))
    at = table.schema.get_field_index("category")
    table = table.set_column(at, "category", pa.array([f"{ESC}[31mfire"] * table.num_rows))
    alone = folder / "alone"
    (alone / "data").mkdir(parents=True)
    pq.write_table(table, alone / "data" / "train.parquet")
    return alone


def test_escapes_in_captions_and_categories_are_spelt_out(tmp_path: Path) -> None:
    alone = hostile(tmp_path)
    said = call("show", alone, "--reveal")
    assert ESC not in said.out
    assert "\\x1b[2J\\x1b]0;title\\x07lamp\\u202e\\nnext word" in said.out
    assert "more characters; --json has all)" in said.out
    assert "\\x1b[31mfire" in said.out
    assert ESC not in call("show", alone, "--summary").out + call("show", alone).out
    refused = call("show", alone, "--category", "x")
    assert (refused.code, ESC in refused.err) == (2, False)
    full = shown(alone, "--reveal")[0]["safe"]["caption"]
    assert len(full) == 25 + 4500


def test_a_narrow_encoding_is_no_crash(run: Path) -> None:
    said = subprocess.run(
        [sys.executable, "-m", "nsfwcaps", "show", str(run), "-n", "2"],
        capture_output=True,
        env={**environment(), "PYTHONIOENCODING": "ascii"},
        check=False,
    )
    assert (said.returncode, said.stderr) == (0, b"")
    assert b"\\u2587" in said.stdout


def test_text_is_wrapped_to_the_terminal(run: Path) -> None:
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "nsfwcaps", "show", str(run), "-n", "3", "--reveal"],
        stdout=follower,
        env={**environment(), "COLUMNS": "60"},
    )
    os.close(follower)
    written = b""
    while True:
        try:
            part = os.read(leader, 4096)
        except OSError:
            break
        if not part:
            break
        written += part
    assert process.wait(timeout=60) == 0
    lines = written.decode().replace("\r", "").splitlines()
    texts = [line for line in lines if line.startswith("    ")]
    assert len(texts) > 6
    assert max(map(len, texts)) <= 66


def test_a_pair_without_a_cosine_is_shown(tmp_path: Path) -> None:
    dataset = release(tiny_world(), tmp_path / "made")
    (path, *_) = sorted((dataset / "data").glob("*.parquet"))
    table = pq.read_table(path)
    at = table.schema.get_field_index("sim_text")
    cosines = np.asarray(table["sim_text"]).astype(object)
    cosines[0] = None
    table = table.set_column(at, "sim_text", pa.array(cosines.tolist(), pa.float32()))
    (tmp_path / "alone" / "data").mkdir(parents=True)
    pq.write_table(table, tmp_path / "alone" / "data" / "train.parquet")
    said = call("show", tmp_path / "alone")
    assert said.code == 0
    assert "  1   -  " in said.out or "   -    " in said.out
    assert call("show", tmp_path / "alone", "--json").json["pairs"] == table.num_rows


def test_a_run_without_pairs_says_so(tmp_path: Path) -> None:
    pools = write_pools(tmp_path / "pools")
    run = tmp_path / "run"
    call("build", "--out", run, *pools.options, "--min-similarity", 1)
    said = f"no pairs; 'nsfwcaps rejects {run}' shows why"
    for options in ((), ("--order", "hardest"), ("--category", "weapons"), ("--above", 0.5)):
        found = call("show", run, *options)
        assert (found.code, found.out.splitlines()[-1]) == (0, said)
    assert call("show", run, "--summary").out == f"{said}\n"
    assert call("show", run, "--json").json["shown"] == []
    quality = call("show", run, "--summary", "--json").json["quality"]
    assert (quality["overall"]["pairs"], quality["targets"]) == (0, [])
    assert quality["suggestions"] == [said]
    assert nsfwcaps.Run(run).quality == quality
    assert said in nsfwcaps.Run(run).summary()
    mined = call("mine", "-w", run, "--min-similarity", 1)
    assert mined.code == 0
