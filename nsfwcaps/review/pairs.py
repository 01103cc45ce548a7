"""Pairs of a published data set by id: captions in memory, images read on demand."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from nsfwcaps.errors import ArtifactError, InputError, ReviewError
from nsfwcaps.pictures import TOO_LARGE, decode

NO_CATEGORY = "none"
SIDES = ("unsafe", "safe")

_NEEDED = ("pair_id", "unsafe_id", "safe_id", "unsafe_caption", "safe_caption")
_NUMBERS = ("sim_text", "sim_image", "sim_cross", "margin", "difficulty", "hub_count")
_TEXTS = ("category", "stage", "split")
# Lower than for encoders: pages decode several images at once while annotators wait.
_MAX_PIXELS = 50_000_000
_MAX_BYTES = 100_000_000
_SHOWN_PX = 512
_CELLS = 256


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A pair to be judged."""

    pair_id: str
    unsafe_id: str
    safe_id: str
    unsafe_caption: str
    safe_caption: str
    category: str
    level: str
    split: str
    sim_text: float | None
    sim_image: float | None
    sim_cross: float | None
    difficulty: float | None
    hub_count: int | None
    images: tuple[str, ...]
    """Sides with an image."""

    def caption(self, side: str) -> str:
        """Return the caption of the `unsafe` or `safe` side."""
        return self.unsafe_caption if side == "unsafe" else self.safe_caption


class ReviewPairs:
    """Pairs of a data set folder, fixed at the time of opening."""

    def __init__(self, folder: Path) -> None:
        """Read all columns except the images.

        Raises:
            ArtifactError: not a published data set, or one without captions.
        """
        self.folder = folder.resolve()
        self._files = data_files(self.folder)
        self._state = _state(self._files)
        self.digest = _digest(self.folder, self._files)
        tables = [self._read(number, path) for number, path in enumerate(self._files)]
        self.table = pa.concat_tables(tables).combine_chunks()
        ids = self.table["pair_id"].to_pylist()
        self._row_of = {pair_id: row for row, pair_id in enumerate(ids)}
        if len(self._row_of) != len(ids):
            raise ArtifactError(
                f"{folder}: {len(ids) - len(self._row_of)} duplicate pair ids; publish it again"
            )

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __contains__(self, pair_id: str) -> bool:
        return pair_id in self._row_of

    @property
    def ids(self) -> list[str]:
        """All pair ids, in data set order."""
        return list(self._row_of)

    @property
    def categories(self) -> list[str]:
        """All categories, sorted."""
        names: list[str] = pc.unique(self.table["category"]).to_pylist()
        return sorted(names)

    def is_unchanged(self) -> bool:
        """Whether the files are still the ones that were read."""
        try:
            return _state(data_files(self.folder)) == self._state
        except ArtifactError:
            return False

    def pair(self, pair_id: str) -> Pair:
        """Return one pair.

        Raises:
            ReviewError: the pair is no longer in the data set.
        """
        row = self._row_of.get(pair_id)
        if row is None:
            raise ReviewError(f"pair {pair_id} is not in {self.folder}; the data set has changed")
        values = self.table.slice(row, 1).to_pylist()[0]
        images = tuple(side for side in SIDES if values.pop(f"{side}_has_image"))
        for name in ("margin", "file", "row"):
            del values[name]
        return Pair(level=values.pop("stage"), **values, images=images)

    def image(self, pair_id: str, side: str) -> bytes:
        """Return one side as PNG, at most 512 px per edge, without the file's metadata.

        Raises:
            InputError: there is no image, it is unreadable, or it is outside the data set folder.
        """
        row = self._row_of.get(pair_id)
        if row is None:
            raise InputError(f"pair {pair_id} is not in {self.folder}; the data set has changed")
        file, at = self.table["file"][row].as_py(), self.table["row"][row].as_py()
        try:
            found, cell = _cell(self._files[file], at, side)
        except (OSError, pa.ArrowException, LookupError):
            found, cell = None, None
        if found != pair_id:
            raise InputError(f"the {side} image of pair {pair_id} cannot be read")
        data = cell if isinstance(cell, bytes) else self._inside(cell, pair_id, side)
        return _shown(data, f"the {side} image of pair {pair_id}")

    def _inside(self, path: str | None, pair_id: str, side: str) -> bytes:
        """Read an image file, which must be inside the data set folder after resolving links."""
        if path is None:
            raise InputError(f"pair {pair_id} has no {side} image")
        try:
            found = (self.folder / path).resolve()
        except (OSError, ValueError, RuntimeError):  # not a path, or a symlink loop
            raise InputError(f"the {side} image of pair {pair_id} has an invalid path") from None
        if not found.is_relative_to(self.folder):
            raise InputError(
                f"the {side} image of pair {pair_id} is outside the data set folder and was not "
                "opened; publish without --no-carry-images to include images"
            )
        try:
            # Reading a pipe or a device might never end.
            if not found.is_file():
                raise FileNotFoundError
            if found.stat().st_size > _MAX_BYTES:
                raise InputError(f"the {side} image of pair {pair_id} is too large to show")
            return found.read_bytes()
        except OSError:
            raise InputError(f"the {side} image of pair {pair_id} is missing") from None

    def _read(self, number: int, path: Path) -> pa.Table:
        try:
            names = pq.read_schema(path).names
            missing = [name for name in _NEEDED if name not in names]
            if missing:
                raise ArtifactError(
                    f"{path}: missing column {', '.join(missing)}; review needs a data set written "
                    "by 'nsfwcaps publish'"
                )
            known = [name for name in (*_NEEDED, *_NUMBERS, *_TEXTS) if name in names]
            table = pq.read_table(path, columns=known, partitioning=None)
            if any(table[name].null_count for name in _NEEDED):
                raise ArtifactError(
                    f"{path}: contains pairs without id or caption; publish the data set again"
                )
            return _uniform(table, number, {side: _has_image(path, names, side) for side in SIDES})
        except (OSError, pa.ArrowException):
            raise ArtifactError(
                f"{path} is missing or damaged; publish the data set again"
            ) from None


def data_files(folder: Path) -> list[Path]:
    """List the Parquet files of a data set, sorted.

    Raises:
        ArtifactError: no Parquet file was found.
    """
    files = sorted((folder / "data").glob("*.parquet"))
    if not files:
        raise ArtifactError(
            f"{folder}: no data set found; pass a run, or the folder written by 'nsfwcaps publish' "
            "(RUN/dataset)"
        )
    return files


def _state(files: list[Path]) -> list[tuple[str, int, int]]:
    try:
        found = [(path, path.stat()) for path in files]
    except OSError:
        return []
    return [(path.name, stat.st_size, stat.st_mtime_ns) for path, stat in found]


def _digest(folder: Path, files: list[Path]) -> str:
    """Digest of the data files: from the manifest, or else from their bytes.

    The manifest is written last, so one that is older than a data file is out of date.
    """
    manifest = folder / "manifest.json"
    try:
        if any(path.stat().st_mtime_ns > manifest.stat().st_mtime_ns for path in files):
            raise ValueError
        listed = json.loads(manifest.read_bytes())["files"]
        known = {file["path"]: file["sha256"] for file in listed}
        sums = [known[path.relative_to(folder).as_posix()] for path in files]
    except (OSError, ValueError, KeyError, TypeError):
        sums = [_sha256(path) for path in files]
    return hashlib.sha256("\n".join(sums).encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _uniform(table: pa.Table, number: int, has_image: dict[str, Any]) -> pa.Table:
    """Return the columns in a uniform type and order, with the location of each row."""
    rows = table.num_rows
    columns: dict[str, Any] = {name: table[name].cast(pa.string()) for name in _NEEDED}
    for name in _TEXTS:
        known = table[name].cast(pa.string()) if name in table.column_names else None
        column = known if known is not None else pa.nulls(rows, pa.string())
        columns[name] = pc.fill_null(column, NO_CATEGORY)
    for name in _NUMBERS:
        kind = pa.int64() if name == "hub_count" else pa.float64()
        known = table[name].cast(kind) if name in table.column_names else None
        columns[name] = known if known is not None else pa.nulls(rows, kind)
    columns |= {f"{side}_has_image": has_image[side] for side in SIDES}
    columns["file"] = pa.array([number] * rows, pa.int32())
    columns["row"] = pa.array(range(rows), pa.int64())
    return pa.table(columns)


def _has_image(path: Path, names: list[str], side: str) -> Any:
    """Mask `[n]` of rows with an image, stored or referenced by path."""
    rows = pq.read_metadata(path).num_rows
    found = pa.array([False] * rows)
    sha256 = f"{side}_image_sha256"
    if f"{side}_image" in names and sha256 in names:
        found = pc.is_valid(pq.read_table(path, columns=[sha256], partitioning=None)[sha256])
    elif f"{side}_image" in names:
        # In small batches: all images together may not fit in memory.
        with pq.ParquetFile(path) as file:
            batches = file.iter_batches(_CELLS, columns=[f"{side}_image"])
            found = pa.chunked_array(
                [pc.is_valid(cells.column(0)) for cells in batches], pa.bool_()
            )
    elif f"{side}_image_path" in names:
        column = pq.read_table(path, columns=[f"{side}_image_path"], partitioning=None)
        found = pc.is_valid(column[f"{side}_image_path"])
    return found


def _cell(path: Path, row: int, side: str) -> tuple[str, bytes | str | None]:
    """Read a row's pair id, and its image bytes or path. Reads one row group."""
    columns = (f"{side}_image", f"{side}_image_path")
    with pq.ParquetFile(path) as file:
        wanted = ["pair_id", *(name for name in columns if name in file.schema_arrow.names)]
        sizes = [file.metadata.row_group(at).num_rows for at in range(file.num_row_groups)]
        group = 0
        while row >= sizes[group]:
            row -= sizes[group]
            group += 1
        values = file.read_row_group(group, columns=wanted).slice(row, 1).to_pylist()[0]
    image: Any = values.get(columns[0])
    named: str | None = values.get(columns[1])
    if isinstance(image, dict):
        image, named = image.get("bytes"), image.get("path") or named
    return values["pair_id"], image if isinstance(image, bytes) else named


def _shown(data: bytes, what: str) -> bytes:
    picture = decode(data, max_pixels=_MAX_PIXELS, draft_px=_SHOWN_PX)
    if picture == TOO_LARGE:
        raise InputError(f"{what} has more than {_MAX_PIXELS:,} pixels; not opened")
    if isinstance(picture, str):
        raise InputError(f"{what} cannot be decoded")
    picture.thumbnail((_SHOWN_PX, _SHOWN_PX))
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()
