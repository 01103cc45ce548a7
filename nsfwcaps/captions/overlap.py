"""What held-out pairs of a published data set share with its training pairs, by their hashes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nsfwcaps.captions.normalize import TEXT_DIGITS
from nsfwcaps.captions.opening import local_path
from nsfwcaps.enums import Split

if TYPE_CHECKING:
    import pyarrow as pa

_DATA = "data"
_SIDES = ("unsafe", "safe", "partner")
_PICTURES = [f"{side}_image_sha256" for side in _SIDES]
_IDS = [f"{side}_id" for side in _SIDES]
_AT_ONCE = 2**20
"""Values of training pairs that are looked up together, at least."""


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """Number of validation and test pairs, and of those that share something with train."""

    held_out: int
    pictures: int
    """Pairs with the picture of a training pair, on any side or as a partner."""
    captions: int
    """Pairs with the caption of a training pair, on any side or as a partner."""

    def __bool__(self) -> bool:
        return bool(self.pictures or self.captions)

    @property
    def finding(self) -> str:
        """Say it in one line."""
        return (
            f"of {self.held_out:,} validation and test pairs, {self.pictures:,} share a picture "
            f"and {self.captions:,} a caption with training pairs, so figures on them are too good"
        )

    @property
    def note(self) -> str:
        """Say it in one line, with the way out."""
        return f"{self.finding}; publish again with this version"

    def as_dict(self) -> dict[str, int]:
        """Return the counts."""
        return asdict(self)


def overlap(data: Path) -> Overlap | None:
    """Measure the overlap of a data set folder; None without data files or a split column.

    Of one of its Parquet files, measure it with the files beside it.
    """
    return overlap_of(_files(data))


def overlap_at(urls: Sequence[str]) -> Overlap | None:
    """Measure the overlap of the data set that some local Parquet files are of; None as above."""
    paths = filter(None, map(local_path, urls))
    files = {file for path in paths for file in _files(path)}
    published = {file for file in files if file.parent.name == _DATA}  # not its safe items
    return overlap_of(sorted(published or files))


def _files(data: Path) -> list[Path]:
    data = data.absolute()
    if data.is_dir():
        folder = data if data.name == _DATA else data / _DATA
        return sorted(folder.glob("*.parquet"))
    if data.suffix != ".parquet":
        return []
    return sorted(data.parent.glob("*.parquet")) if data.parent.name == _DATA else [data]


def overlap_of(files: Sequence[Path]) -> Overlap | None:
    """Measure the overlap of the Parquet files of a data set; None if they have no split column."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        if not files or any("split" not in pq.read_schema(path).names for path in files):
            return None
        pictures, captions = _Shared(files, _PICTURES), _Shared(files, _IDS)
    except (OSError, pa.ArrowException):
        return None  # whoever reads the captions says what is wrong
    return Overlap(held_out=pictures.held_out, pictures=pictures.pairs, captions=captions.pairs)


def overlap_note(data: Path) -> str | None:
    """Return the note on a data set folder; None if its splits share nothing."""
    found = overlap(data)
    return f"note: {data}: {found.note}" if found else None


def overlap_facts(data: Path) -> dict[str, int] | None:
    """Return the counts of a data set folder for a record; None as `overlap`."""
    found = overlap(data)
    return None if found is None else found.as_dict()


class _Shared:
    """Number of held-out pairs with a value, in any column, that a training pair has in any.

    Files are read one at a time, twice. In memory are the distinct values of held-out pairs, and
    about as many of training pairs: these are looked up together, so that each costs little.
    """

    def __init__(self, files: Sequence[Path], names: Sequence[str]) -> None:
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        held: list[pa.Array] = []
        pairs: list[Any] = []
        self.held_out = 0
        for rows, columns in _columns(files, names, train=False):
            for column in columns:
                held += column.chunks
                pairs.append(np.arange(rows) + self.held_out)
            self.held_out += rows
        coded = pa.chunked_array(held, pa.string()).dictionary_encode()
        distinct = coded.chunk(0).dictionary if coded.num_chunks else pa.array([], pa.string())
        shared = np.zeros(len(distinct) + 1, dtype=np.bool_)  # the last one is null
        for values in _batches(_columns(files, names, train=True), max(_AT_ONCE, len(distinct))):
            shared[:-1] |= np.asarray(pc.is_in(distinct, value_set=values))
        hit = np.zeros(self.held_out, dtype=np.bool_)
        codes = [np.asarray(pc.fill_null(chunk.indices, -1)) for chunk in coded.chunks]
        if codes:
            hit[np.concatenate(pairs)[shared[np.concatenate(codes)]]] = True
        self.pairs = int(hit.sum())


def _columns(
    files: Sequence[Path], names: Sequence[str], *, train: bool
) -> Iterator[tuple[int, list[pa.ChunkedArray]]]:
    """Yield m and columns `[m]` of each file, of its training pairs or of the others."""
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    for path in files:
        there = pq.read_schema(path).names
        wanted = [name for name in names if name in there]
        table = pq.read_table(path, columns=["split", *wanted], partitioning=None)
        mask = pc.equal(table["split"].cast(pa.string()), Split.TRAIN.value)
        table = table.filter(mask if train else pc.invert(mask))
        columns = [table[name].cast(pa.string()) for name in wanted]
        if names is _IDS:  # the first half of an id depends on the text alone
            columns = [pc.utf8_slice_codeunits(column, 0, TEXT_DIGITS) for column in columns]
        yield table.num_rows, columns


def _batches(parts: Iterable[tuple[int, list[pa.ChunkedArray]]], rows: int) -> Iterator[pa.Array]:
    """Yield all values of columns, at least so many at once."""
    import pyarrow as pa

    held: list[pa.Array] = []
    for _, columns in parts:
        held += [chunk for column in columns for chunk in column.chunks]
        if sum(map(len, held)) >= rows:
            yield pa.concat_arrays(held).drop_null()
            held = []
    if held:
        yield pa.concat_arrays(held).drop_null()
