"""Modes of files for the user: those of the umask, whatever a library gave them."""

from __future__ import annotations

from itertools import chain
from pathlib import Path

from nsfwcaps.files import TEMPORARY


def follow_umask(path: Path) -> None:
    """Give a file, or a folder with all in it, the modes that new ones get there.

    Some libraries write to private temporary files, which only their owner may read. The umask
    itself can only be read by changing it for all threads, so a new file and folder show the modes.
    """
    place = path if path.is_dir() else path.parent
    file, folder = place / f"{TEMPORARY}mode", place / f"{TEMPORARY}modes"
    file.touch()
    folder.mkdir()
    of_file, of_folder = file.stat().st_mode & 0o7777, folder.stat().st_mode & 0o7777
    file.unlink()
    folder.rmdir()
    for item in chain([path], path.rglob("*")):
        if not item.is_symlink():
            item.chmod(of_folder if item.is_dir() else of_file)
