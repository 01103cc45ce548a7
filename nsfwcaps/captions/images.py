"""Reading of a pool's images by path."""

from __future__ import annotations

import fsspec


class ImageReader:
    """Reads images by path; relative paths resolve against `root`, or else the pool's folder."""

    def __init__(self, pool: str, root: str | None = None) -> None:
        self._root = (root or pool.rpartition("/")[0] or ".").rstrip("/")

    def absolute(self, path: str) -> str:
        """Resolve a path from the pool to a full path or URL."""
        if "://" in path or path.startswith("/"):
            return path
        return f"{self._root}/{path}"

    def read(self, path: str) -> bytes:
        """Read one image.

        Raises:
            OSError: it is missing or unreadable.
        """
        return read_image(self.absolute(path))


def read_image(url: str) -> bytes:
    """Read an image from a path or any fsspec URL.

    Raises:
        OSError: it is missing or unreadable.
    """
    try:
        with fsspec.open(url, "rb") as file:
            data: bytes = file.read()
            return data
    except (ValueError, ImportError) as error:  # a protocol unknown to fsspec
        raise OSError(str(error)) from None
