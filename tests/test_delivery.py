"""A folder that is there whole, or as it was before."""

from __future__ import annotations

from pathlib import Path

import pytest

from nsfwcaps.delivery import RECORD, delivered, write_record
from nsfwcaps.errors import StorageError


def write(out: Path, **files: str) -> None:
    with delivered(out) as folder:
        for name, text in files.items():
            (folder / name).write_text(text)
        write_record(folder, {"format": "some"})


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_new_folder_and_one_that_is_replaced(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    write(out, one="1", two="2")
    assert names(out) == [RECORD, "one", "two"]
    assert out.stat().st_mode & 0o777 == out.parent.stat().st_mode & 0o777
    write(out, two="new", three="3")
    assert names(out) == [RECORD, "three", "two"]
    assert (out / "two").read_text() == "new"
    assert names(tmp_path / "deep") == ["out"]


def test_an_empty_folder_is_taken(tmp_path: Path) -> None:
    write(tmp_path, one="1")
    assert names(tmp_path) == [RECORD, "one"]


def test_what_fails_leaves_everything_as_it_was(tmp_path: Path) -> None:
    out = tmp_path / "out"
    write(out, one="1")

    def stopped() -> None:
        with delivered(out) as folder:
            (folder / "one").write_text("new")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert (out / "one").read_text() == "1"
    assert names(tmp_path) == ["out"]


def test_files_of_somebody_else_stay(tmp_path: Path) -> None:
    write(tmp_path / "out", one="1")
    (tmp_path / "out" / "sub").mkdir()
    (tmp_path / "out" / "sub" / "mine.txt").write_text("mine")
    with pytest.raises(StorageError, match=r"mine\.txt"):
        write(tmp_path / "out", one="2")
    assert (tmp_path / "out" / "one").read_text() == "1"


@pytest.mark.parametrize("record", [None, "{", "[]", '{"files": 3}'])
def test_without_a_record_all_is_somebody_elses(record: str | None, tmp_path: Path) -> None:
    (tmp_path / "weights").write_text("w")
    if record is not None:
        (tmp_path / RECORD).write_text(record)
    with pytest.raises(StorageError, match="weights"):
        write(tmp_path, one="1")


def test_a_file_of_that_name(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(StorageError, match="is a file"):
        write(tmp_path / "out", one="1")
