"""Mislabelled captions in the safe pool, through the command line: 2 of 47."""

from __future__ import annotations

from pathlib import Path

import pyarrow.dataset as ds
import pytest
from support.shell import call

MISLABELLED = ("A handgun lying on a wooden table.", "A man smoking outside.")
UNSAFE = (
    "A handgun on a table next to a cup.",
    "A man smoking a cigarette outside.",
    "A rifle lying on a wooden table.",
)
_COLOURS = ("red", "blue", "green", "yellow", "white", "black", "brown", "grey", "purple")
_THINGS = ("vase", "kite", "cup", "bicycle", "chair")


@pytest.fixture
def pools(tmp_path: Path) -> list[object]:
    """Options with a safe pool of 45 clean captions and two mislabelled ones."""
    clean = [f"A {colour} {thing} near a window." for colour in _COLOURS for thing in _THINGS]
    safe, unsafe = tmp_path / "safe.txt", tmp_path / "unsafe.txt"
    safe.write_text("\n".join([*clean, *MISLABELLED]) + "\n")
    unsafe.write_text("\n".join(UNSAFE) + "\n")
    return ["--safe", safe, "--unsafe", unsafe]


def targets(workdir: Path) -> set[str]:
    table = ds.dataset(workdir / "dataset" / "data").to_table(columns=["safe_caption"])
    return {*table["safe_caption"].to_pylist()}


def card(workdir: Path) -> str:
    """The section of the card on the safe side."""
    text = (workdir / "dataset" / "README.md").read_text()
    return text.partition("## Safe side")[2].partition("\n## ")[0]


def test_mislabelled_captions_are_flagged_and_counted(pools: list[object], workdir: Path) -> None:
    said = call("build", "--out", workdir, *pools)
    assert (said.code, said.err) == (0, "")
    assert "47 safe and 3 unsafe captions; 2 safe flagged (hazard)" in said.out
    assert targets(workdir) >= {*MISLABELLED}  # flagged captions stay
    rows = ds.dataset(workdir / "dataset" / "data").to_table(columns=["safe_caption", "flags"])
    for row in rows.to_pylist():
        assert row["flags"] == (["safe_hazard"] if row["safe_caption"] in MISLABELLED else [])
    text = card(workdir)
    assert "read 47 safe captions. Those that it found were flagged and kept" in text
    assert "| either | 2 | 4.3% |" in text
    assert "No detector judged the safe captions or their pictures." in text
    assert "Leakage of public benchmarks was not checked" in text


def test_dropped_captions_become_no_targets(pools: list[object], workdir: Path) -> None:
    said = call("build", "--out", workdir, *pools, "--screen", "drop")
    assert (said.code, said.err) == (0, "")
    assert "45 safe and 3 unsafe captions; set aside: 2 hazard" in said.out
    assert len(targets(workdir)) == 3
    assert not targets(workdir) & {*MISLABELLED}
    assert "Those that it found were dropped." in card(workdir)


def test_screen_that_is_off_is_on_the_card(pools: list[object], workdir: Path) -> None:
    said = call("build", "--out", workdir, *pools, "--screen", "off")
    assert said.code == 0
    assert "flagged" not in said.out
    assert "were not screened for hazards" in card(workdir)


def test_benchmark_and_detector_are_on_the_card(
    pools: list[object], workdir: Path, tmp_path: Path
) -> None:
    pytest.importorskip("profanity_check", reason="needs the extra profanity")
    benchmark = tmp_path / "i2p.csv"
    benchmark.write_text(
        "prompt,categories\nWooden tables with a rifle lying on one,x\na red vase near a window,x\n"
    )
    options = ["--exclude", benchmark, "--safe-detector", "profanity@0.9"]
    said = call("build", "--out", workdir, *pools, *options)
    assert (said.code, said.err) == (0, "")
    assert "set aside: 2 in_benchmark" in said.out
    assert "| `i2p.csv` | 2 | 1 | 1 |" in card(workdir)
    assert "| `profanity` (text) | alt-profanity-check " in card(workdir)
    assert "| 0.9 | 46 | 0 | 0 |" in card(workdir)
    papers = [workdir / "dataset" / name for name in ("README.md", "manifest.json")]
    assert not any(str(tmp_path) in path.read_text() for path in papers)


def test_unreadable_rows_of_a_benchmark_are_on_the_card(
    pools: list[object], workdir: Path, tmp_path: Path
) -> None:
    benchmark = tmp_path / "set.jsonl"
    benchmark.write_text('{"caption": "a red vase near a window"}\n{no JSON\n{no JSON\n')
    said = call("build", "--out", workdir, *pools, "--exclude", benchmark)
    assert (said.code, said.err) == (0, "")
    assert "unreadable benchmark rows (set.jsonl: 2)" in said.out
    assert "| `set.jsonl` | 1 | 1 | 0 |" in card(workdir)
    assert "2 rows of `set.jsonl` could not be read" in card(workdir)
    clean = tmp_path / "clean.csv"
    clean.write_text("caption\na red vase near a window\n")
    assert call("build", "--out", workdir, *pools, "--exclude", clean).code == 0
    assert "could not be read" not in card(workdir)


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--safe-detector", "nosuch"], 2, "--safe-detector: unknown detector 'nosuch'"),
        (["--exclude", "/nosuch.csv"], 3, "/nosuch.csv: no such file"),
    ],
)
def test_bad_names(
    pools: list[object], workdir: Path, options: list[str], code: int, message: str
) -> None:
    said = call("build", "--out", workdir, *pools, *options)
    assert (said.code, said.out) == (code, "")
    assert message in said.err


def test_construct_excludes_benchmarks_from_its_pools_once_more(tmp_path: Path) -> None:
    """Both stages get the files: `construct` by its option, `ingest` from it."""
    from nsfwcaps import recipes

    benchmark = tmp_path / "set.csv"
    values = {
        "construct": {"pool": "bundled:safe.jsonl", "exclude": [str(benchmark), "b.csv"]},
        "ingest": {"safe": "run:pools/safe", "unsafe": "run:pools/unsafe", "exclude": ["c.csv"]},
    }
    recipe = recipes.parse(values, where="test")
    assert recipe["construct"].exclude == (str(benchmark), "b.csv")
    assert recipe["ingest"].exclude == (str(benchmark), "b.csv", "c.csv")
    alone = recipes.parse({"ingest": values["ingest"]}, where="test")
    assert alone["ingest"].exclude == ("c.csv",)
