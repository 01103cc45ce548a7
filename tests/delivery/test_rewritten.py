from __future__ import annotations

from pathlib import Path

import pytest

from nsfwcaps.delivery import rewritten
from nsfwcaps.delivery.rewritten import LEDGER, remove, rewrite


def names(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))


def test_an_edited_report_is_kept(tmp_path: Path) -> None:
    out = tmp_path / "results"
    assert rewrite(out, "report.md", b"one") == []
    assert rewrite(out, "report.md", b"two") == []
    (out / "report.md").write_text("two, and mine")
    line = "results/report.md was edited: kept as results/report.edited.md"
    assert rewrite(out, "report.md", b"two") == [line]
    assert (out / "report.md").read_text() == "two"
    assert (out / "report.edited.md").read_text() == "two, and mine"
    assert rewrite(out, "report.md", b"three") == []
    assert names(out) == [LEDGER, "report.edited.md", "report.md"]


def test_the_same_content_again_writes_nothing(tmp_path: Path) -> None:
    rewrite(tmp_path, "report.md", b"one")
    before = [(tmp_path / name).stat().st_ino for name in names(tmp_path)]
    assert rewrite(tmp_path, "report.md", b"one") == []
    assert [(tmp_path / name).stat().st_ino for name in names(tmp_path)] == before


def test_a_file_that_is_not_listed_is_kept_if_it_differs(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("same")
    (tmp_path / "b.csv").write_text("old")
    assert rewrite(tmp_path, "a.csv", b"same") == []
    (line,) = rewrite(tmp_path, "b.csv", b"new")
    assert line == (
        f"{tmp_path.name}/b.csv was not written by this version, or was edited: "
        f"kept as {tmp_path.name}/b.edited.csv"
    )
    assert (tmp_path / "b.edited.csv").read_text() == "old"


class Killed(BaseException):
    pass


@pytest.mark.parametrize("at", [0, 1])
def test_after_a_kill_our_own_file_does_not_look_edited(
    tmp_path: Path, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rewrite(tmp_path, "report.md", b"one")
    write, steps = rewritten.write_atomically, iter(range(9))

    def counted(path: Path, data: bytes) -> None:
        if next(steps) == at:
            raise Killed
        write(path, data)

    with monkeypatch.context() as patch:
        patch.setattr(rewritten, "write_atomically", counted)
        with pytest.raises(Killed):
            rewrite(tmp_path, "report.md", b"two")
    assert rewrite(tmp_path, "report.md", b"three") == []
    assert (tmp_path / "report.md").read_text() == "three"


def test_a_file_is_removed_unless_it_was_edited(tmp_path: Path) -> None:
    for name in ("a.svg", "b.svg"):
        rewrite(tmp_path, f"figures/{name}", b"one")
    (tmp_path / "figures" / "b.svg").write_text("mine")
    assert remove(tmp_path, "figures/a.svg") == []
    assert remove(tmp_path, "figures/b.svg") == [
        f"{tmp_path.name}/figures/b.svg is no longer written, and was edited: kept as "
        f"{tmp_path.name}/figures/b.edited.svg"
    ]
    assert names(tmp_path / "figures") == ["b.edited.svg"]
