"""`nsfwcaps inspect` on the command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.inspected_pools import csv_file, parquet_file, sidecar_folder, tar_file
from support.shell import MARKER, call, environment

HEAVY = ("torch", "transformers", "open_clip", "faiss", "pandas", "scipy")
PRINTED = """\
{pool}: CSV, UTF-8, delimiter comma, 1 file, {size} bytes
rows: 4; read: all rows

Captions:
  pool.csv: columns: caption=caption; ignored: url
  captions: 3 usable
  set aside: 25.0% (1 empty)
  duplicates: 33.3% exact, 0.0% near (case, punctuation, width)
  characters: 18 to 20, median 18, 95% up to 20; words: 5 to 6, median 5, 95% up to 6
  tokens: 8 to 9, median 8, 95% up to 9; 0 beyond the 256 that minilm reads
  scripts: Latin 100.0%
  hidden characters: in 0 captions
  first 3{uncovers}:
    row 0  {first}  18 characters, 5 words, 8 tokens  {caption}
    row 1  {second}  20 characters, 6 words, 9 tokens  {other}
    row 2  {first}  18 characters, 5 words, 8 tokens  {caption}
"""


@pytest.mark.parametrize("show", [False, True])
def test_the_text_is_covered_unless_shown(tmp_path: Path, show: bool) -> None:
    first, second = "A vase on a table.", "A man at a bus stop."
    pool = csv_file(tmp_path / "pool.csv", [first, second, first, ""])
    said = call("inspect", pool, *(["--show"] if show else []))
    assert (said.code, said.err) == (0, "")
    assert said.out == PRINTED.format(
        pool=pool,
        size=pool.stat().st_size,
        uncovers="" if show else " (--show uncovers them)",
        first="ab013717df7f",
        second="8ff05811cc7f",
        caption=first if show else "▇▇▇",
        other=second if show else "▇▇▇",
    )


def test_json_has_no_captions_unless_shown(tmp_path: Path) -> None:
    pool = csv_file(tmp_path / "pool.csv", [f"A {MARKER} on a table."])
    found = call("inspect", pool, "--json").json
    assert (found["format"], found["rows"], found["rows_exact"]) == ("CSV", 1, True)
    (side,) = found["sides"]
    assert side["used"] == {"caption": "caption"}
    assert side["tokens"]["window"] == 256
    assert "caption" not in side["examples"][0]
    pool = csv_file(tmp_path / "mild.csv", ["A vase on a table."])
    shown = call("inspect", pool, "--json", "--show").json
    assert shown["sides"][0]["examples"][0]["caption"] == "A vase on a table."


def test_reading_options_reach_the_reader(tmp_path: Path) -> None:
    path = tmp_path / "pool.csv"
    path.write_bytes("7;Un café au lait.\n8;Un vélo rouge.\n".encode("cp1252"))
    given = ("--delimiter", ";", "--encoding", "cp1252", "--no-header", "--caption-column", "1")
    found = call("inspect", path, *given, "--side", "safe", "--json").json
    assert (found["encoding"], found["delimiter"], found["rows"]) == ("cp1252", "semicolon", 2)
    assert [side["label"] for side in found["sides"]] == ["safe"]
    assert found["sides"][0]["used"] == {"caption": "1"}


def test_errors_are_one_line_and_exit_code_3(tmp_path: Path) -> None:
    path = tmp_path / "pool.csv"
    path.write_text(f"caption,text\nA {MARKER} here.,A {MARKER} there.\n")
    said = call("inspect", path)
    assert (said.code, said.out) == (3, "")
    assert said.err == (
        f"error: {path}: 2 columns may hold the captions: 'caption', 'text'; choose one with "
        "--safe-caption-column\n"
    )
    assert call("inspect", path, "--caption-column", "text").code == 0
    advised = call("inspect", path, "--side", "safe", "--safe-caption-column", "text", "--json")
    assert advised.json["sides"][0]["used"] == {"caption": "text"}
    assert call("inspect", tmp_path / "lost.csv").code == 3
    assert call("inspect", path, "--delimiter", "abc").code == 2


@pytest.mark.parametrize("kind", ["csv", "parquet", "folder", "tar"])
def test_no_model_is_loaded(tmp_path: Path, kind: str) -> None:
    make = {"csv": csv_file, "parquet": parquet_file, "folder": sidecar_folder, "tar": tar_file}
    pool = make[kind](tmp_path / (kind if kind == "folder" else f"pool.{kind}"))
    code = (
        "import sys, json; from nsfwcaps.cli import app, guard;"
        "code = guard(lambda: app(['inspect', sys.argv[1], '--json']));"
        f"print('LOADED', json.dumps([n for n in {HEAVY!r} if n in sys.modules])); sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(pool)],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    out, _, loaded = done.stdout.rpartition("LOADED ")
    assert json.loads(loaded) == []
    assert json.loads(out)["rows"] == 3
