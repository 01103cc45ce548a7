"""What held-out pairs of a published data set share with its training pairs, by their hashes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nsfwcaps.captions.normalize import TEXT_DIGITS
from nsfwcaps.captions.opening import local_path
from nsfwcaps.enums import Split

if TYPE_CHECKING:
    import pyarrow as pa

_DATA = "data"
_SIDES = ("unsafe", "safe", "partner")
_PICTURES = [f"{side}_image_sha256" for side in _SIDES]
_IDS = [f"{side}_id" for side in _SIDES]


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

    parts = []
    try:
        for path in files:
            names = pq.read_schema(path).names
            if "split" not in names:
                return None
            wanted = [name for name in (*_PICTURES, *_IDS) if name in names]
            parts.append(pq.read_table(path, columns=["split", *wanted], partitioning=None))
        return _of_table(pa.concat_tables(parts, promote_options="default")) if parts else None
    except (OSError, pa.ArrowException):
        return None  # whoever reads the captions says what is wrong


def overlap_note(data: Path) -> str | None:
    """Return the note on a data set folder; None if its splits share nothing."""
    found = overlap(data)
    return f"note: {data}: {found.note}" if found else None


def overlap_facts(data: Path) -> dict[str, int] | None:
    """Return the counts of a data set folder for a record; None as `overlap`."""
    found = overlap(data)
    return None if found is None else found.as_dict()


def _of_table(table: pa.Table) -> Overlap:
    import pyarrow as pa
    import pyarrow.compute as pc

    in_train = pc.equal(table["split"].cast(pa.string()), Split.TRAIN.value)
    train, held = table.filter(in_train), table.filter(pc.invert(in_train))
    return Overlap(
        held_out=held.num_rows,
        pictures=_sharing(held, train, _PICTURES),
        captions=_sharing(held, train, _IDS),
    )


def _sharing(held: pa.Table, train: pa.Table, names: list[str]) -> int:
    """Number of held-out pairs with a value, in any column, that a training pair has in any."""
    import pyarrow as pa
    import pyarrow.compute as pc

    names = [name for name in names if name in held.column_names]
    if not names:
        return 0

    def keys(table: pa.Table, name: str) -> pa.ChunkedArray:
        column = table[name].cast(pa.string())
        # The first half of an id depends on the text alone.
        return pc.utf8_slice_codeunits(column, 0, TEXT_DIGITS) if names[0] in _IDS else column

    known = pa.chunked_array(
        [chunk for name in names for chunk in keys(train, name).chunks], pa.string()
    )
    known = known.drop_null().combine_chunks()
    hit = None
    for name in names:
        mask = pc.is_in(keys(held, name), value_set=known)
        hit = mask if hit is None else pc.or_(hit, mask)
    return int(pc.sum(hit).as_py() or 0)
