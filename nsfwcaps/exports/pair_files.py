"""The published data set that pairs are exported from: its files by split, and their rows."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from nsfwcaps.enums import Split
from nsfwcaps.errors import ArtifactError, InputError

_NEEDED = ("pair_id", "unsafe_id", "safe_id", "unsafe_caption", "safe_caption")
_PICTURED_ROWS, _ROWS = 64, 4096
"""Rows read at a time, with and without pictures."""


@dataclass(frozen=True, kw_only=True)
class PairFiles:
    """Files of pairs by split, and the columns that all of them have with their types."""

    folder: Path
    by_split: Mapping[Split, Sequence[Path]]
    types: Mapping[str, pa.DataType]

    def count(self, splits: Sequence[Split]) -> int:
        """Return the number of pairs in some splits, from the metadata of the files."""
        return sum(_file(path).metadata.num_rows for s in splits for path in self.by_split[s])

    def has_later_ranks(self, split: Split) -> bool:
        """Whether an unsafe caption of a split has counterparts of several ranks.

        Raises:
            ArtifactError: a file is damaged.
        """
        if "rank" not in self.types:
            return False
        ranks = {rank for row in self.rows(split, ["rank"]) if (rank := row["rank"]) is not None}
        return len(ranks) > 1

    def rows(self, split: Split, columns: Sequence[str]) -> Iterator[dict[str, Any]]:
        """Yield the rows of a split with those of the named columns that there are.

        Raises:
            ArtifactError: a file is damaged.
        """
        known = [name for name in columns if name in self.types]
        pictured = any(name.endswith("_image") for name in known)
        for path in self.by_split[split]:
            file = _file(path)
            size = _PICTURED_ROWS if pictured else _ROWS
            try:
                for batch in file.iter_batches(batch_size=size, columns=known):
                    yield from batch.to_pylist()
            except (OSError, pa.ArrowException):
                raise _damaged(path) from None


def pair_files(folder: Path) -> PairFiles:
    """Find the data set in the folder of a run, or the data set that the folder is.

    Raises:
        ArtifactError: there is no data set, or a file is damaged.
        InputError: the files are not of pairs, or not named by split.
    """
    if not folder.is_dir():
        raise ArtifactError(
            f"{folder}: no such folder; name the folder of a run (its --out) or of a data set"
        )
    places = (folder / "dataset", folder)  # a run may hold pools of the user in data/
    found = [(place, sorted((place / "data").glob("*.parquet"))) for place in places]
    data_set, files = next(((p, f) for p, f in found if f), (folder, []))
    if not files:
        raise ArtifactError(_nothing(folder))
    schemas = [_file(path).schema_arrow for path in files]
    for path, own in zip(files, schemas, strict=True):
        if lacking := [name for name in _NEEDED if name not in own.names]:
            raise InputError(
                f"{path} has no column {', '.join(lacking)}; expected a data set of nsfwcaps"
            )
    shared = [f for f in schemas[0] if all(f.name in own.names for own in schemas)]
    types = {field.name: field.type for field in shared}
    return PairFiles(folder=data_set, by_split=_by_split(files), types=types)


def _nothing(folder: Path) -> str:
    if (folder / "ingest" / "stage.json").is_file():
        again = f"nsfwcaps build --out {shlex.quote(str(folder))}"
        return f"{folder} has no data set yet; run '{again}' with its options first"
    return (
        f"{folder} is neither the folder of a run with a data set nor a data set "
        "(expected data/*.parquet)"
    )


def _by_split(files: Sequence[Path]) -> dict[Split, list[Path]]:
    found: dict[Split, list[Path]] = {}
    for path in files:
        name = path.stem.partition("-")[0]
        if name not in [*Split]:
            raise InputError(
                f"{path} is not named by its split; expected a name such as "
                "train-00000-of-00001.parquet"
            )
        found.setdefault(Split(name), []).append(path)
    return {split: found[split] for split in Split if split in found}


def _file(path: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(path)
    except (OSError, pa.ArrowException):
        raise _damaged(path) from None


def _damaged(path: Path) -> ArtifactError:
    return ArtifactError(f"{path} is damaged; publish or copy the data set again")
