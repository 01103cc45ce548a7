from __future__ import annotations

from pathlib import Path

import pytest
from support.shell import MARKER, call
from support.small_evaluation import DATASET, UNSAFE, small

OURS = f"results/{DATASET}/retrieval/ours.json"


def test_report_is_written_and_said(tmp_path: Path) -> None:
    folder = small(tmp_path).write()
    said = call("report", folder)
    assert (said.code, said.err) == (0, "")
    assert said.out == (f"Report: {folder}/report.html\nMarkdown: {folder}/report.md\n")
    assert MARKER in UNSAFE  # so that `call` would have noticed a caption


def test_json_names_the_files(tmp_path: Path) -> None:
    folder = small(tmp_path).write()
    said = call("report", folder, "--json")
    assert said.json == {
        "html": f"{folder}/report.html",
        "markdown": f"{folder}/report.md",
        "models": ["base", "ours"],
        "not_compared": [],
        "problems": [],
        "notes": [],
    }


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_damaged_part_is_named_and_the_rest_is_reported(tmp_path: Path, options: list[str]) -> None:
    folder = small(tmp_path).write()
    (folder / OURS).write_text("{")
    said = call("report", folder, *options)
    assert said.code == 4
    assert "the report was written, but is incomplete" in said.err
    assert f"{OURS} is damaged" in said.err
    assert f"{OURS} is damaged" in (folder / "report.html").read_text()
    assert f"{OURS} is damaged".replace("_", "\\_") in (folder / "report.md").read_text()
    assert not options or said.json["problems"][0].startswith(OURS)


def test_damaged_examples_are_named_and_not_quoted(tmp_path: Path) -> None:
    writer = small(tmp_path)
    writer.examples = {DATASET: {"queries": [{"nearest": UNSAFE}]}}
    said = call("report", writer.write())
    assert (said.code, "examples.json is damaged" in said.err) == (4, True)


def test_what_is_not_compared_is_said(tmp_path: Path) -> None:
    writer = small(tmp_path)
    writer.parts[OURS]["nsfwcaps"]["data_digest"] = "e" * 64
    said = call("report", writer.write())
    assert said.code == 0
    assert f"not compared: ours on {DATASET}, retrieval: not compared, because the data" in said.err
    assert "(not compared)" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize("made", [True, False])
def test_folder_without_results(tmp_path: Path, made: bool) -> None:
    folder = tmp_path / "out"
    if made:
        folder.mkdir()
    said = call("report", folder)
    assert (said.code, said.out) == (4, "")
    assert said.err == (
        f"error: {folder}: no results; run 'nsfwcaps eval --out {folder} …' first\n"
    )
    assert folder.exists() == made
    assert not list(tmp_path.rglob("report.*"))
