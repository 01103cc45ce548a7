from __future__ import annotations

import os
from pathlib import Path

import pytest

from nsfwcaps.delivery import hand_made


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(
    ("name", "first", "second"),
    [
        ("README.md", "README.edited.md", "README.edited-2.md"),
        ("figures/stages.png", "figures/stages.edited.png", "figures/stages.edited-2.png"),
        ("data/a.parquet", "kept/data/a.parquet.edited", "kept/data/a.parquet.edited-2"),
        ("LICENSE", "LICENSE.edited", "LICENSE.edited-2"),
        ("a.b.json", "a.b.edited.json", "a.b.edited-2.json"),
    ],
)
def test_names_of_kept_files(tmp_path: Path, name: str, first: str, second: str) -> None:
    for text, expected in (("1", first), ("2", second), ("1", first), ("2", second)):
        write(tmp_path / name, text)
        place = hand_made.keep(tmp_path, name)
        assert place.relative_to(tmp_path).as_posix() == expected
        assert place.read_text() == text
        assert hand_made.is_kept(expected)
        (tmp_path / name).unlink()  # the new one comes by a rename, too: the kept one stays


@pytest.mark.parametrize(
    "name", ["README.md", "data/train.parquet", "edited.md", "my.editedtext.md", "edited/a.md", "a"]
)
def test_other_names_are_not_kept_ones(name: str) -> None:
    assert not hand_made.is_kept(name)


def test_a_file_system_without_links_gets_a_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise OSError("no links here")

    monkeypatch.setattr(os, "link", refuse)
    write(tmp_path / "README.md", "mine")
    place = hand_made.keep(tmp_path, "README.md")
    assert (place.name, place.read_text(), place.stat().st_nlink) == ("README.edited.md", "mine", 1)
