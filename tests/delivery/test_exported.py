"""A folder that is there whole, or as it was before."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from nsfwcaps.delivery.exported import RECORD, delivered, write_record
from nsfwcaps.delivery.own_section import EMPTY, fill
from nsfwcaps.errors import StorageError


def write(out: Path, **files: str) -> None:
    with delivered(out, []) as folder:
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
        with delivered(out, []) as folder:
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


def export(out: Path, **files: str) -> list[str]:
    notes: list[str] = []
    with delivered(out, notes) as folder:
        for name, text in files.items():
            (folder / name.replace("_", ".")).write_text(text)
        write_record(folder, {"format": "some"})
    return notes


CARD = f"# Card\n\n{EMPTY}\n"


def test_an_edited_file_is_kept_in_the_new_export(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert export(out, README_md="card", a_json="1", rows_parquet="2") == []
    (out / "README.md").write_text("mine")
    (out / "a.json").write_text("1 and mine")
    (out / "rows.parquet").write_text("my rows")
    assert export(out, README_md="next", a_json="1", rows_parquet="2") == [
        "out/README.md was edited: kept as out/README.edited.md, beside the new one",
        "out/a.json was edited: kept as out/a.edited.json, beside the new one",
        "out/rows.parquet was edited: kept as out/kept/rows.parquet.edited, beside the new one",
    ]
    kept = {"README.edited.md": "mine", "a.edited.json": "1 and mine"}
    for _ in range(2):  # and in each one after it
        assert {name: (out / name).read_text() for name in kept} == kept
        assert (out / "kept" / "rows.parquet.edited").read_text() == "my rows"
        assert (out / "README.md").read_text() == "next"
        assert export(out, README_md="next", a_json="1", rows_parquet="2") == []


def test_the_users_section_of_a_card_is_carried_over(tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(out, README_md=CARD)
    (out / "README.md").write_text(fill(CARD, "Mine"))
    line = "out/README.md: your notes at its end were carried over"
    for title in ("Card", "Next", "Third"):
        assert export(out, README_md=CARD.replace("Card", title)) == [line]
        assert (out / "README.md").read_text() == fill(CARD.replace("Card", title), "Mine")
    assert names(out) == ["README.md", RECORD]


def test_of_an_export_without_digests_a_changed_card_is_kept(tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(out, README_md="card", a_bin="1")
    values = json.loads((out / RECORD).read_text())
    del values["contents"]
    (out / RECORD).write_text(json.dumps(values))
    (out / "README.md").write_text("mine")
    assert export(out, README_md="next", a_bin="2") == [
        "out/README.md was edited: kept as out/README.edited.md, beside the new one"
    ]
    assert names(out) == ["README.edited.md", "README.md", "a.bin", RECORD]


def test_an_export_killed_between_its_renames_is_put_back(tmp_path: Path) -> None:
    out = tmp_path / "out"
    export(out, README_md="card")
    (out / "README.md").write_text("mine")
    out.rename(tmp_path / ".part-out-123-before")
    assert len(export(out, README_md="next")) == 1
    assert (out / "README.edited.md").read_text() == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(
    ("umask", "of_file", "of_folder"),
    [(0o022, 0o644, 0o755), (0o002, 0o664, 0o775), (0o077, 0o600, 0o700)],
)
def test_private_files_of_libraries_get_the_modes_of_the_umask(
    tmp_path: Path, umask: int, of_file: int, of_folder: int
) -> None:
    before = os.umask(umask)
    try:
        with delivered(tmp_path / "out", []) as folder:
            (folder / "weights").touch(0o600)
            (folder / "sub").mkdir(0o700)
            (folder / "sub" / "a").touch(0o600)
            write_record(folder, {})
    finally:
        os.umask(before)
    for path in (tmp_path / "out", *(tmp_path / "out").rglob("*")):
        assert path.stat().st_mode & 0o777 == (of_folder if path.is_dir() else of_file)
