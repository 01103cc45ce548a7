"""Reading of a pool's images by path."""

from __future__ import annotations

import string
from collections.abc import Mapping, Sequence

import fsspec

from nsfwcaps.captions.contact import limit_waiting
from nsfwcaps.captions.opening import shown
from nsfwcaps.captions.tables.column_names import folded
from nsfwcaps.captions.tables.values import text_cell
from nsfwcaps.errors import ConfigError


class ImageReader:
    """Reads images by path; relative paths resolve against `root`, or else the pool's folder."""

    def __init__(self, pool: str, root: str | None = None) -> None:
        self.root = (root or shown(pool).rpartition("/")[0] or ".").rstrip("/")
        self._folders: dict[str, list[str]] = {}

    def absolute(self, path: str) -> str:
        """Resolve a path from the pool, also one of Windows, to a full path or URL."""
        if "\\" in path and "/" not in path:
            path = path.replace("\\", "/")
        if "://" in path or path.startswith("/"):
            return path
        return f"{self.root}/{path}"

    def exists(self, path: str) -> bool:
        """Whether there is a file, as far as its store tells."""
        try:
            return _exists(self.found(path))
        except Exception:  # each store's library has errors of its own
            return False

    def found(self, path: str) -> str:
        """Resolve a path whose folders may have wildcards: the first match, else the path."""
        folder, _, name = self.absolute(path).rpartition("/")
        if "*" not in folder and "?" not in folder:
            return f"{folder}/{name}"
        if folder not in self._folders:
            self._folders[folder] = sorted(_matches(folder))
        places = (f"{place}/{name}" for place in self._folders[folder])
        return next((place for place in places if _exists(place)), f"{folder}/{name}")

    def read(self, path: str) -> bytes:
        """Read one image.

        Raises:
            OSError: it is missing or unreadable.
        """
        return read_image(self.found(path))


def read_image(url: str) -> bytes:
    """Read an image from a path or any fsspec URL.

    Raises:
        OSError: it is missing or unreadable.
    """
    limit_waiting(url)
    try:
        with fsspec.open(url, "rb") as file:
            data: bytes = file.read()
            return data
    except OSError:
        raise
    except Exception as error:  # each store's library has errors of its own
        raise OSError(type(error).__name__) from None


class ImageTemplate:
    """Paths of images made of a row's cells, such as `COCO/*/{coco_id:012d}.jpg`."""

    def __init__(self, text: str) -> None:
        self.text = text
        try:
            parts = list(string.Formatter().parse(text))
        except ValueError as error:
            raise ConfigError(f"image template '{text}': {error}") from None
        self._specs = {name: spec or "" for _, name, spec, _ in parts if name is not None}
        if not self._specs or "" in self._specs:
            raise ConfigError(
                f"image template '{text}' needs the name of a column; expected for example "
                "'COCO/*/{coco_id:012d}.jpg'"
            )

    @property
    def columns(self) -> Sequence[str]:
        """Names of the columns in it."""
        return list(self._specs)

    def path(self, row: Mapping[str, object]) -> str | None:
        """Path of a row's image, which may have wildcards; None if a cell is empty."""
        cells = {folded(name): text_cell(value) for name, value in row.items()}
        values = {name: _typed(cells.get(folded(name)), self._specs[name]) for name in self._specs}
        if any(value is None or value == "" for value in values.values()):
            return None
        try:
            return self.text.format(**values)
        except (ValueError, TypeError):
            return self.text  # no such file: the row is set aside with its reason


def _typed(value: object, spec: str) -> object:
    """Cells of text formats are strings; formats such as `012d` need numbers."""
    if not spec or spec[-1] not in "bcdoxXneEfFgG%" or value is None:
        return value
    try:
        return int(str(value)) if spec[-1] in "bcdoxXn" else float(str(value))
    except ValueError:
        try:
            whole = float(str(value))  # pandas writes ids with a gap in them as 9.0
        except ValueError:
            return value
        return int(whole) if whole.is_integer() else value


def _matches(pattern: str) -> list[str]:
    filesystem, path = fsspec.core.url_to_fs(pattern)
    return [str(filesystem.unstrip_protocol(item)) for item in filesystem.glob(path)]


def _exists(url: str) -> bool:
    filesystem, path = fsspec.core.url_to_fs(url)
    return bool(filesystem.exists(path))
