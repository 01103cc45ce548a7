"""Bare pictures from folders, tar files and tables."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.set_files import png, write, write_table, write_tar

from nsfwcaps.errors import InputError
from nsfwcaps.evaluation.datasets.image_sets import ImageSet, read_images
from nsfwcaps.progress import Silent


def read(path: Path) -> ImageSet:
    return read_images("some", str(path), Silent())


def pictures(found: ImageSet) -> list[bytes]:
    return [get() for _, get in found.pictures.images]


def test_a_folder_whose_folders_are_categories(tmp_path: Path) -> None:
    write(tmp_path / "set" / "knives" / "a.png", png(1))
    write(tmp_path / "set" / "smoke" / "b.JPG", png(2))
    write(tmp_path / "set" / "smoke" / "copy.png", png(1))
    write(tmp_path / "set" / ".hidden" / "c.png", png(3))
    found = read(tmp_path / "set")
    assert pictures(found) == [png(1), png(2)]
    assert found.categories is not None
    assert found.categories.tolist() == ["knives", "smoke"]


def test_a_flat_folder_has_no_categories(tmp_path: Path) -> None:
    write(tmp_path / "set" / "a.png", png(1))
    assert read(tmp_path / "set").categories is None


def test_tar_files(tmp_path: Path) -> None:
    for number in (10, 9):
        write_tar(tmp_path / "set" / f"{number}.tar", {"k.png": png(number), "k.txt": b"no"})
    assert pictures(read(tmp_path / "set")) == [png(9), png(10)]
    assert pictures(read(tmp_path / "set" / "9.tar")) == [png(9)]


def test_a_table_with_categories_and_gaps(tmp_path: Path) -> None:
    rows = [
        {"image": png(1), "category": "smoke"},
        {"image": None, "category": "smoke"},
        {"image": png(2), "category": None},
    ]
    found = read(write_table(tmp_path / "set.parquet", rows))
    assert pictures(found) == [png(1), png(2)]
    assert found.categories is not None
    assert found.categories.tolist() == ["smoke", "none"]
    assert found.left_out == {"image_not_named": 1}


def test_what_holds_no_picture_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError):
        read(tmp_path / "empty")
    with pytest.raises(InputError, match="no image column"):
        read(write_table(tmp_path / "a.parquet", [{"other": "x"}]))
    with pytest.raises(InputError, match="no such file"):
        read(tmp_path / "gone")
    gone = write_table(tmp_path / "b.parquet", [{"image_path": "gone.png"}])
    with pytest.raises(InputError, match="1 image_missing"):
        read(gone)
