"""Bytes of a pool's pictures: where a path in a row leads."""

from __future__ import annotations

import fsspec


class ImageReader:
    """Reads pictures by path; relative paths start at `root`, or else at the pool's own folder."""

    def __init__(self, pool: str, root: str | None = None) -> None:
        self._root = (root or pool.rpartition("/")[0] or ".").rstrip("/")

    def absolute(self, path: str) -> str:
        """Full path or URL of a picture as the pool writes it."""
        if "://" in path or path.startswith("/"):
            return path
        return f"{self._root}/{path}"

    def read(self, path: str) -> bytes:
        """Read one picture.

        Raises:
            OSError: there is none, or it cannot be read.
        """
        return read_image(self.absolute(path))


def read_image(url: str) -> bytes:
    """Read a picture from a path or any fsspec URL.

    Raises:
        OSError: there is none, or it cannot be read.
    """
    try:
        with fsspec.open(url, "rb") as file:
            data: bytes = file.read()
            return data
    except (ValueError, ImportError) as error:  # a protocol that fsspec does not know
        raise OSError(str(error)) from None
