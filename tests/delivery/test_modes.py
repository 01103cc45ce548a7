from __future__ import annotations

import os
from pathlib import Path

import pytest

from nsfwcaps.delivery.modes import follow_umask


@pytest.mark.parametrize(
    ("umask", "of_file", "of_folder"),
    [(0o022, 0o644, 0o755), (0o002, 0o664, 0o775), (0o077, 0o600, 0o700)],
)
def test_modes_are_those_of_new_files(
    tmp_path: Path, umask: int, of_file: int, of_folder: int
) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "weights").touch(0o600)
    (tmp_path / "a").chmod(0o700)
    (tmp_path / "a" / "link").symlink_to("b/weights")
    before = os.umask(umask)
    try:
        follow_umask(tmp_path / "a")
        follow_umask(tmp_path / "a" / "b" / "weights")
    finally:
        os.umask(before)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.rglob("*")}
    assert modes == {"a": of_folder, "b": of_folder, "weights": of_file, "link": of_file}
