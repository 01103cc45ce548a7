"""`nsfwcaps rejects`: counts are those of the records, and every row leads to its text."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from support.shell import call, write_pools

ESC = "\x1b"
COLOURS = [*enumerate(("red", "blue", "green", "white", "black", "brown", "small", "large"))]


def write(path: Path, rows: list[Any], *more: bytes) -> Path:
    text = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text + b"".join(line + b"\n" for line in more))
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose ingest and mine set rows aside."""
    folder = tmp_path_factory.mktemp("rejects")
    safe = [{"caption": f"A cup on table {n} in a kitchen."} for n in range(30)]
    write(
        folder / "safe.jsonl",
        [*safe, {"caption": ""}, {"caption": " \t "}, {"caption": 5}, {"caption": "A vase " * 800}],
        b"{broken\x1b[2J json",
        b'{"caption": "a \xff\xfe lamp"}',
    )
    unsafe = [{"caption": f"A handgun beside a cup on table {n}."} for n in range(10)]
    write(folder / "unsafe.jsonl", [*unsafe, {"caption": "Cigarettes in Berlin at night."}])
    said = call(
        *("build", "-q", "--out", folder / "run", "--min-similarity", 0.5),
        *("--safe", folder / "safe.jsonl", "--unsafe", folder / "unsafe.jsonl"),
        *("--max-reject-share", 0.9),
    )
    assert said.code == 0, said.err
    return folder / "run"


def record(run: Path, stage: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run / stage / "stage.json").read_bytes())
    return found


def test_totals_are_those_of_the_records(run: Path) -> None:
    found = call("rejects", run, "--json", "-n", 1000).json
    of_records = {name: record(run, name)["rejects"] for name in ("ingest", "embed", "mine")}
    assert {item["stage"]: item["rejects"] for item in found["stages"]} == {
        **of_records,
        "publish": {},
    }
    assert found["set_aside"] == sum(sum(counts.values()) for counts in of_records.values()) == 7
    shown = Counter((row["stage"], row["reason"]) for row in found["shown"])
    assert shown == Counter(
        {(stage, name): n for stage, counts in of_records.items() for name, n in counts.items()}
    )
    assert all("texts" not in row for row in found["shown"])


def test_every_row_leads_to_its_text(run: Path) -> None:
    found = call("rejects", run, "--json", "--reveal").json["shown"]
    assert [
        (row["stage"], row["reason"], row["source"], row["row"], row["texts"]["text"][:30])
        for row in found
    ] == [
        ("ingest", "broken_json", "safe.jsonl", 34, f"{{broken{ESC}[2J json"),
        ("ingest", "empty", "safe.jsonl", 30, ""),
        ("ingest", "empty", "safe.jsonl", 31, " \t "),
        ("ingest", "invalid_utf8", "safe.jsonl", 35, "a \\xff\\xfe lamp"),
        ("ingest", "not_text", "safe.jsonl", 32, "5"),
        ("ingest", "too_long", "safe.jsonl", 33, "A vase A vase A vase A vase A "),
        ("mine", "below_min_similarity", "unsafe.jsonl", 10, "Cigarettes in Berlin at night."),
    ]
    text = call("rejects", run, "--reveal").out
    assert "    text   Cigarettes in Berlin at night." in text
    assert "    text   (nothing but blanks)" in text
    assert ESC not in text
    covered = call("rejects", run).out
    assert "Berlin" not in covered
    assert "unsafe.jsonl row 10  unsafe" in covered


def test_filters(run: Path) -> None:
    said = call("rejects", run, "--stage", "ingest", "--reason", "empty", "-n", 1)
    assert said.out.splitlines()[:2] == [
        f"{run}: 2 set aside",
        "  ingest     empty          2",
    ]
    assert said.out.count("row 3") == 1
    assert call("rejects", run, "-n", 0).out.count("\n") == 7 + 0
    refused = call("rejects", run, "--reason", "emty")
    assert (refused.code, refused.out) == (2, "")
    assert refused.err.startswith(
        "error: --reason: no rejects of 'emty'; did you mean 'empty'? there are: broken_json, "
    )
    refused = call("rejects", run, "--stage", "train")
    assert refused.err == (
        "error: --stage: no rejects of 'train'; there are: ingest, embed, mine, publish\n"
    )


def test_a_run_without_rejects_says_so(tmp_path: Path) -> None:
    pools = write_pools(tmp_path / "pools")
    call("build", "--out", tmp_path / "run", *pools.options)
    said = call("rejects", tmp_path / "run")
    assert (said.code, said.out) == (
        0,
        f"{tmp_path / 'run'}: nothing was set aside by ingest, embed, mine, publish\n",
    )


def test_a_text_that_is_gone_is_said(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "ingest")
    said = call("rejects", tmp_path / "run", "--reveal")
    assert said.code == 0
    assert "    text   (text not kept: the pools were read again since, or its file is gone)" in (
        said.out
    )


def test_ingest_that_stopped_shows_why(tmp_path: Path) -> None:
    """Too much was unusable: there is no record, but the rows are there."""
    rows = [{"caption": "A cup."}, *({"caption": ""} for _ in range(9))]
    pool = write(tmp_path / "safe.jsonl", rows)
    assert call("ingest", "--safe", pool, "-w", tmp_path / "run").code == 3
    said = call("rejects", tmp_path / "run")
    assert said.out.splitlines()[:2] == [
        f"{tmp_path / 'run'}: 9 set aside",
        "  ingest     empty          9  (of a run that has not finished)",
    ]
    assert "safe.jsonl row 1  safe" in said.out


def test_rejects_of_construct_have_both_texts(tmp_path: Path) -> None:
    texts = [
        *(f"A {colour} cup sits on a wooden table near door {n}." for n, colour in COLOURS),
        *("A handgun on a table", "The sky", "A nude child sits on a bed", ""),
    ]
    pool = write(tmp_path / "pool.jsonl", [{"caption": text} for text in texts])
    loose = {"min_alignment": -1.0, "near_duplicate": 1.0, "element_share": 1.0}
    recipe = tmp_path / "recipe.json"
    recipe.write_text(json.dumps({"construct": {"pool": str(pool), "n": 4, **loose}}))
    said = call("run", recipe, "-w", tmp_path / "run")
    assert said.code == 0, said.err
    found = call("rejects", tmp_path / "run", "--json", "--reveal", "-n", 1000).json
    (stage,) = found["stages"]
    assert stage["rejects"] == record(tmp_path / "run", "construct")["rejects"]
    texts_of = {row["reason"]: row["texts"] for row in found["shown"]}
    assert texts_of["safe_side_unsafe"] == {"text": "A handgun on a table"}
    assert "The sky" in [row["texts"]["text"] for row in found["shown"]]
    assert texts_of["empty"] == {"text": ""}
    assert "excluded" not in texts_of
    assert found["also_dropped"] == ["construct: 1 excluded, counted but not kept"]
    pool.unlink()
    again = call(
        "rejects", tmp_path / "run", "--json", "--reveal", "--reason", "safe_side_unsafe"
    ).json
    assert [row["texts"] for row in again["shown"]] == [{"text": None}] * len(again["shown"])


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("nowhere", "no such folder; expected the folder of a run"),
        ("empty", "has no stage that sets rows aside; expected a run"),
        ("run/dataset", "expected a run; its run is "),
        ("run/mine", "is the folder of one stage; give its run: "),
    ],
)
def test_folders_that_are_no_run(run: Path, tmp_path: Path, name: str, said: str) -> None:
    (tmp_path / "empty").mkdir()
    folder = run.parent / name if name.startswith("run") else tmp_path / name
    found = call("rejects", folder)
    assert (found.code, found.out) == (4, "")
    assert said in found.err
