from __future__ import annotations

import os
from pathlib import Path

import pytest
from support.shell import tree
from support.small_evaluation import DATASET, part, small

from nsfwcaps.reports.write import write


def test_same_results_give_the_same_bytes(tmp_path: Path) -> None:
    one, other = (small(tmp_path / name).write() for name in ("one", "other"))
    write(one)
    write(other)
    assert tree(one) == tree(other)
    before = tree(one)
    write(one)
    assert tree(one) == before
    assert str(tmp_path) not in (one / "report.html").read_text() + (one / "report.md").read_text()


def test_pictures_of_markdown_are_there(tmp_path: Path) -> None:
    folder = small(tmp_path).write()
    write(folder)
    drawn = {path.name for path in (folder / "figures").iterdir()}
    assert drawn == {
        f"{DATASET}-tradeoff-unsafe-T-to-V.svg",
        f"{DATASET}-tradeoff-unsafe-V-to-T.svg",
        f"{DATASET}-similarities-ours.svg",
    }
    text = (folder / "report.md").read_text()
    assert all(f"](figures/{name})" in text for name in drawn)


def test_plots_of_an_earlier_report_are_removed_and_other_files_are_not(tmp_path: Path) -> None:
    folder = small(tmp_path).write()
    (folder / "figures").mkdir()
    old, own = (folder / "figures" / name for name in ("a-similarities-b.svg", "mine.svg"))
    old.touch()
    own.touch()
    write(folder)
    assert (old.exists(), own.exists()) == (False, True)


def test_smallest_evaluation_has_a_report(tmp_path: Path) -> None:
    writer = small(tmp_path)
    (tmp_path / "results" / DATASET / "similarities" / "base.npz").unlink()
    writer.parts = {"results/a/zeroshot/one.json": part("a", "zeroshot", "one", {"acc@1": 0.5}, ())}
    writer.comparisons, writer.run, writer.examples = [], {"models": {"one": {}}}, {}
    written = write(writer.write())
    assert (written.models, written.problems) == (("one",), ())
    assert "Only one model was evaluated" in written.html.read_text()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_folder_that_cannot_be_written(tmp_path: Path) -> None:
    folder = small(tmp_path).write()
    folder.chmod(0o500)
    with pytest.raises(PermissionError):
        write(folder)
    folder.chmod(0o700)
