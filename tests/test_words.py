"""Words that a native reader stumbles over are in no message, help text, page or card."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import nsfwcaps

ROOT = Path(nsfwcaps.__file__).parent.parent

STILTED = re.compile(
    r"cannot be had|could not be had|(?<!there )\b(?:is|are) none\b"
    r"|\b(?:is|are|was|were) told\b|\bsomebody\b|\banew\b|\ballows it not\b"
    r"|\bwhat it came to\b|\bshall\b|\bnames no \w+|\bhas it not\b"
)
FOLDERS = ("nsfwcaps", "app", "data_cards", "pipelines", "docs", "tools")
KINDS = ("*.py", "*.j2", "*.md", "*.yaml", "*.js")
JINJA_TESTS = re.compile(r"\bis (?:not )?none\b")


@pytest.mark.parametrize("folder", FOLDERS)
def test_plain_english(folder: str) -> None:
    files = [path for kind in KINDS for path in sorted((ROOT / folder).rglob(kind))]
    assert files
    found = [
        f"{path.relative_to(ROOT)}:{number}: {match.group()}"
        for path in files
        if "_generated" not in path.parts
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1)
        for match in STILTED.finditer(JINJA_TESTS.sub("", line) if path.suffix == ".j2" else line)
    ]
    assert not found, "\n".join(found)


def test_the_pattern_finds_what_it_is_for() -> None:
    for line in ("editor 'x' is none", "the weights cannot be had", "somebody else's files"):
        assert STILTED.search(line)
    assert not STILTED.search("unknown editor 'x'; choose one of rules, world")
