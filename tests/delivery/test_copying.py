from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from nsfwcaps.delivery.copying import copy


@pytest.fixture(params=["in the kernel", "refused", "cut short", "not offered"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How the system copies: by itself, refused, not the whole of a file, or without the call."""

    def refuse(*args: object) -> int:
        raise OSError(errno.EXDEV, "another device")

    if request.param == "refused":
        monkeypatch.setattr(os, "copy_file_range", refuse)
    elif request.param == "cut short":
        monkeypatch.setattr(os, "copy_file_range", lambda *args: 0)
    elif request.param == "not offered":
        monkeypatch.delattr(os, "copy_file_range")
    return str(request.param)


@pytest.mark.parametrize("size", [0, 1, 3 * 2**20 + 7])
@pytest.mark.usefixtures("way")
def test_a_copy_is_another_file_with_the_same_content(tmp_path: Path, size: int) -> None:
    source, path = tmp_path / "a", tmp_path / "deep" / "b"
    source.write_bytes(os.urandom(size))
    source.chmod(0o600)
    copy(source, path)
    assert path.read_bytes() == source.read_bytes()
    assert path.stat().st_ino != source.stat().st_ino
    assert path.stat().st_mode & 0o777 == 0o666 & ~_umask(tmp_path)
    assert [item.name for item in path.parent.iterdir()] == ["b"]


def test_a_copy_replaces(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("new")
    (tmp_path / "b").write_text("old and longer")
    copy(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_text() == "new"


@pytest.mark.usefixtures("way")
def test_a_full_disk_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (tmp_path / "a").write_text("new")
    (tmp_path / "b").write_text("old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        copy(tmp_path / "a", tmp_path / "b")
    assert (tmp_path / "b").read_text() == "old"
    assert sorted(item.name for item in tmp_path.iterdir()) == ["a", "b"]


def _umask(folder: Path) -> int:
    (folder / "probe").touch()
    mode = (folder / "probe").stat().st_mode
    (folder / "probe").unlink()
    return 0o666 & ~mode
