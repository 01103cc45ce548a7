"""The README and `docs/`: links lead somewhere, sentences are short, nothing is missing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import nsfwcaps
from nsfwcaps import errors, schema
from tools.docs import links, prose, reference

ROOT = Path(nsfwcaps.__file__).parent.parent
PAGES = prose.markdown_files([str(ROOT / "docs")])
WRITTEN = [ROOT / "README.md", *PAGES]
OTHERS = [ROOT / "CONTRIBUTING.md", ROOT / "benchmarks" / "README.md"]

COMMANDS = [
    *("build", "card", "card check"),
    *("construct", "demo", "doctor", "embed", "eval", "export", "export-data"),
    *(
        "generate",
        "generate image-to-text",
        "generate text-to-image",
        "grade",
        "illustrate",
        "ingest",
    ),
    *(
        "inspect",
        "mine",
        "publish",
        "rejects",
        "report",
        "review",
        "review account",
        "review account add",
    ),
    *("review account disable", "review account enable", "review account list"),
    *("review account password", "review account role", "review export", "review gold"),
    *("review reopen", "review restored", "review status", "review verify"),
    *("run", "show", "status", "train", "validate", "world"),
]


@pytest.mark.parametrize("page", [*WRITTEN, *OTHERS], ids=lambda page: str(page.relative_to(ROOT)))
def test_relative_links_lead_somewhere(page: Path) -> None:
    assert list(links.broken_links(page)) == []


@pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_sentence_is_long(page: Path) -> None:
    assert list(prose.long_sentences(page.read_text("utf-8"))) == []


def test_readme_is_one_screen() -> None:
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 90


def test_every_page_is_in_a_contents_list() -> None:
    """Sphinx says so too; this needs no Sphinx."""
    index = (ROOT / "docs" / "index.md").read_text("utf-8")
    listed = {
        name
        for block in re.findall(r"```\{toctree\}\n(.*?)```", index, re.DOTALL)
        for name in block.split("\n\n", 1)[1].split()
    }
    here = {str(page.relative_to(ROOT / "docs").with_suffix("")) for page in PAGES}
    assert listed == here - {"index"}


def test_reference_has_every_command_with_its_options() -> None:
    page = reference.commands()
    assert sorted(re.findall(r"^#+ `nsfwcaps (.+)`$", page, re.MULTILINE)) == COMMANDS
    mine = page.partition("## `nsfwcaps mine`")[2].partition("\n## ")[0]
    assert "* `--hub-cap <int>`: " in mine
    assert re.search(r"^\* `--k <int>`: .* \[default: 1\]$", mine, re.MULTILINE)


def test_commands_page_names_every_command() -> None:
    page = (ROOT / "docs" / "reference" / "commands.md").read_text("utf-8")
    named = re.findall(r"`([a-z-]+)`", "\n".join(re.findall(r"^\| (`[^|]+)\|", page, re.MULTILINE)))
    assert sorted(named) == [name for name in COMMANDS if " " not in name]


def test_reference_has_every_published_column() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([\w ]+) \| .+ \|$", reference.columns(), re.MULTILINE)
    everything = schema.published(
        with_pictures=True,
        with_partners=True,
        with_nsfwcaps=True,
        with_review=True,
        with_labels=True,
        with_flags=True,
    )
    assert len(rows) == len(set(rows)) == len(everything)
    assert {name for name, _ in rows} == set(everything.names)
    assert {
        ("difficulty", "float32"),
        ("unsafe_image", "image"),
        ("flags", "list of string"),
    } <= set(rows)


def test_reference_has_every_public_name() -> None:
    page = reference.python_api()
    directives = re.findall(r"^\.\. (?:auto\w+|py:data):: nsfwcaps\.(\w+)$", page, re.MULTILINE)
    assert sorted(directives) == sorted(nsfwcaps.__all__)


def test_formats_name_tests_that_exist() -> None:
    text = (ROOT / "docs/reference/formats.md").read_text(encoding="utf-8")
    named = re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", text)
    assert len(named) > 20
    for file, test in named:
        assert f"\ndef {test}(" in (ROOT / file).read_text(encoding="utf-8"), (file, test)


def test_exit_codes_are_those_of_the_errors() -> None:
    page = (ROOT / "docs" / "reference" / "files.md").read_text("utf-8")
    listed = {int(code) for code in re.findall(r"^\| (\d+) \| ", page, re.MULTILINE)}
    raised = {
        error.exit_code
        for error in vars(errors).values()
        if isinstance(error, type) and issubclass(error, errors.NsfwcapsError)
    }
    assert listed == raised | {0, 70, 130}


LONG = " ".join(["word"] * 31)
SHORT = " ".join(["word"] * 30)


@pytest.mark.parametrize(
    ("markdown", "lines"),
    [
        (f"{SHORT}.", []),
        (f"{LONG}.", [1]),
        (f"Short.\n\n{LONG}.", [3]),
        (f"{SHORT}. {SHORT}? {SHORT}! {SHORT}", []),
        (f"{SHORT}, i.e. more.", [1]),
        (f"{SHORT} 3.5", [1]),
        (f"{SHORT} — ( )", []),
        (f"- {SHORT}\n- {LONG}", [2]),
        (f"| a | b |\n|---|---|\n| {SHORT} | {SHORT} |\n| x | {LONG} |", [4]),
        (f"```\n{LONG}\n```", []),
        ("`" + LONG + "`", []),
        (f"{SHORT} `two words`", [1]),
        (f"[{SHORT}](x.md) more", [1]),
        (f"**{SHORT}** *more*", [1]),
        (f"# {LONG}", [1]),
        ("\n".join(["a word"] * 16), [1]),
    ],
)
def test_long_sentences_are_counted(markdown: str, lines: list[int]) -> None:
    assert [line for line, _, _ in prose.long_sentences(markdown)] == lines


def test_checks_fail_as_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"# A title, once\n\n{LONG}.\n\n[a](#a-title-once) [b](#c) ![d](e.png)\n")
    assert prose.main([str(tmp_path)]) == 1
    assert "page.md:3: 31 words: word" in capsys.readouterr().out
    assert links.main([str(page)]) == 1
    said = capsys.readouterr().out
    assert f"{page}: #c: no such heading\n{page}: e.png: no such file\n1 files, 2 broken" in said
    page.write_text("Short. [b](https://example.org/gone) [a](../" + tmp_path.name + "/page.md)\n")
    assert prose.main([str(page)]) == links.main([str(page)]) == 0
    (tmp_path / "empty").mkdir()
    assert prose.main([str(tmp_path / "empty")]) == 1
