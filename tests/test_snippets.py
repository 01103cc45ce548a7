"""Every snippet of the README, the tutorial and a card runs in the environment that they describe.

Snippets with `datasets` or DuckDB need the extra `data`, and say so beside them.
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.shell import call, environment

import nsfwcaps
from nsfwcaps import extras, resources

ROOT = Path(nsfwcaps.__file__).parents[1]
MINUTES = ("nsfwcaps demo", "nsfwcaps eval", "nsfwcaps report")
"""Tried by the tests of the demo."""
ARRAYS = """
import numpy as np
unsafe_vectors, safe_vectors = np.random.default_rng(0).normal(size=(2, 40, 8))
"""


def blocks(text: str, language: str) -> list[str]:
    return [code for kind, code in fenced(text) if kind == language]


def fenced(text: str) -> list[tuple[str, str]]:
    """Language and content of every block, in order."""
    return re.findall(r"^```([^\n`]*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def needs_data(code: str) -> bool:
    return any(f"import {name}" in code for name in extras.EXTRAS["data"])


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with the files that the README names, and a program `nsfwcaps`."""
    folder = tmp_path / "snippets"
    (folder / "bin").mkdir(parents=True)
    program = folder / "bin" / "nsfwcaps"
    program.write_text(f"#!{sys.executable}\nfrom nsfwcaps.cli import main\nmain()\n")
    program.chmod(0o755)
    pools = {"coco.jsonl": "safe.jsonl", "mine.csv": "unsafe.csv"}
    for name, bundled in pools.items():
        (folder / name).write_bytes(resources.demo_pool(bundled).read_bytes())
    return folder


def shell(place: Path, script: str) -> str:
    given = environment()
    given["PATH"] = f"{place / 'bin'}:{given['PATH']}"
    command = ["bash", "-euo", "pipefail", "-c", script]
    done = subprocess.run(
        command, cwd=place, env=given, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def python(place: Path, code: str) -> None:
    if needs_data(code) and not all(map(importlib.util.find_spec, extras.EXTRAS["data"])):
        pytest.skip("the extra data is not installed")
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=place, env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_readme(place: Path) -> None:
    text = (ROOT / "README.md").read_text()
    (code,) = blocks(text, "python")
    python(place, ARRAYS + code)
    (script,) = (block for block in blocks(text, "") if "nsfwcaps inspect" in block)
    lines = [line for line in script.splitlines() if not line.startswith(MINUTES)]
    assert len(lines) == 3
    shell(place, "\n".join(lines))
    assert "(the extra `data`)" in text


def test_tutorial(place: Path) -> None:
    """In order, as a reader would; the first block of output is what is printed."""
    text = (ROOT / "docs" / "tutorial.md").read_text()
    said = ""
    for language, code in fenced(text):
        if language:
            python(place, code)
        elif code.startswith(("nsfwcaps", "mkdir")):
            said = shell(place, code)
        else:
            assert without_times(code) == without_times(said)


def without_times(text: str) -> str:
    """Text without times, and without cosines, which other machines round otherwise."""
    return re.sub(r"\b\d\.\d\d\b", "0.dd", re.sub(r" +\d+\.\d s", " s", text)).strip()


def test_card_and_pages_about_the_data_set(place: Path) -> None:
    built = ["build", "--safe", place / "coco.jsonl", "--unsafe", place / "mine.csv", "--quiet"]
    assert call(*built, "--out", place / "runs" / "a").code == 0
    dataset = place / "runs" / "a" / "dataset"
    card = (dataset / "README.md").read_text()
    (code,) = blocks(card, "python")
    assert needs_data(code)
    assert 'pip install "nsfwcaps[data]"' in card
    python(place, code.replace("PATH/TO/THIS/FOLDER", str(dataset)))
    for page, said in (
        ("how-to/publish.md", 'pip install "nsfwcaps[data]"'),
        ("reference/files.md", "extra `data`"),
    ):
        text = (ROOT / "docs" / page).read_text()
        assert said in text
        python(place, blocks(text, "python")[0])
