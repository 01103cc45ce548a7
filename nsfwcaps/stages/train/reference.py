"""train, reference: the frozen model's vectors of every caption and picture, computed once.

    dataset/data/*.parquet ─ encode ─▶ captions-*.parquet   id, vector
                                       images-*.parquet     image_sha256, offset, length, vector
                                       pictures-*.bin       concatenated picture files

Of the data set's safe pool, only the items that the run can use are encoded, and of those only what
no earlier run of the folder has: epochs change how many are used, but not their order.
Training looks the vectors up, so the training loop runs no teacher model.
"""

from __future__ import annotations

import hashlib
import mmap
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from nsfwcaps.artifacts import Shard, ShardFiles, StageFolder
from nsfwcaps.config import digest
from nsfwcaps.encoders.encoder import DualEncoder, Vectors
from nsfwcaps.errors import ArtifactError
from nsfwcaps.files import sha256_file
from nsfwcaps.progress import Advance, Progress
from nsfwcaps.stages.train.dataset import PARTNER, SIDES, columns_of, reading
from nsfwcaps.stages.train.encoding import COLUMNS, ReferenceEncoder
from nsfwcaps.tables import read_tables
from nsfwcaps.vectors.columns import from_column, to_column
from nsfwcaps.work import Work, WorkSplit

VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Reference:
    """The frozen model's vectors by id and by hash, and the pictures."""

    text: Vectors  # [n, d]
    image: Vectors  # [m, d]
    text_row: Mapping[str, int]
    image_row: Mapping[str, int]
    _places: Sequence[tuple[int, int, int]]  # file, offset, length of every picture
    _files: Sequence[mmap.mmap]

    def picture(self, row: int) -> bytes:
        """Return the file bytes of the picture of a row."""
        file, offset, length = self._places[row]
        return self._files[file][offset : offset + length]


def embed_reference(
    files: Sequence[Path],
    encoder: DualEncoder,
    folder: StageFolder,
    progress: Progress,
    *,
    safe: Sequence[Path] = (),
    chosen: Collection[str] = (),
) -> list[Shard]:
    """Encode the captions and pictures of each file that are not in an earlier one.

    Of the files of `safe` items, only those with the `chosen` ids.
    """
    shards: list[Shard] = []
    seen: set[str] = set()
    key = encoder.identity.digest
    ids = frozenset(chosen)
    both = [*((path, None) for path in files), *((path, ids) for path in safe if ids)]
    new = new_items(both)
    work = WorkSplit()
    encoding = ReferenceEncoder(encoder, folder, work)
    task = progress.task("train: reference", sum(new), unit="items", split=work)
    with task as advance:
        for number, (path, wanted) in enumerate(both):
            key = digest([VERSION, key, sha256_file(path), sorted(wanted or ())])
            ahead = _Left(new[number], advance)
            read = partial(_contents, path, seen, wanted)
            make = partial(_embed, path, read, number, key, encoding, ahead, work)
            shard = folder.shard_or(key, make)
            encoding.discard()
            seen.update(_names(folder, shard))
            shards.append(shard)
            ahead.finish()
    return shards


def load_reference(folder: StageFolder, shards: Sequence[Shard]) -> Reference:
    """Read what `embed_reference` wrote."""
    captions = _tables(folder, shards, "captions")
    images = _tables(folder, shards, "images")
    places = [
        (file, offset, length)
        for file, table in enumerate(images)
        for offset, length in zip(
            table["offset"].to_pylist(), table["length"].to_pylist(), strict=True
        )
    ]
    binaries = [folder.path / f.path for shard in shards for f in shard.files if f.group == "bin"]
    return Reference(
        text=_rows(captions),
        image=_rows(images),
        text_row=_index(captions, "id"),
        image_row=_index(images, "image_sha256"),
        _places=places,
        _files=[_mapped(path) for path in binaries],
    )


class _Left:
    """Counts the items of a file; those expected and not met are counted at its end."""

    def __init__(self, expected: int, advance: Advance) -> None:
        self._left, self._advance = expected, advance

    def advance(self, items: int) -> None:
        """Count items, up to those expected."""
        items = min(items, self._left)
        self._left -= items
        self._advance(items)

    def finish(self) -> None:
        """Count the rest."""
        self.advance(self._left)


def new_items(files: Sequence[tuple[Path, frozenset[str] | None]]) -> list[int]:
    """Return the number of captions and pictures of each file that are not in an earlier one.

    Counted by ids and hashes, without reading pictures: those without a file are included.
    """
    seen: set[str] = set()
    counts = []
    for file in files:
        names = frozenset[str]().union(*names_of([file]).values())
        counts.append(len(names - seen))
        seen |= names
    return counts


def names_of(files: Sequence[tuple[Path, frozenset[str] | None]]) -> dict[str, frozenset[str]]:
    """Return the ids of captions and the hashes of pictures, by group of `COLUMNS`."""
    found: dict[str, set[str]] = {group: set() for group in COLUMNS}
    for path, chosen in files:
        with reading(path):
            table = _columns(pq.ParquetFile(path), chosen, [*COLUMNS.values()])
        for group, kind in COLUMNS.items():
            for name in table.column_names:
                if name.endswith(f"_{kind}"):
                    found[group].update(table[name].drop_null().unique().to_pylist())
    return {group: frozenset(names) for group, names in found.items()}


def _columns(file: pq.ParquetFile, chosen: frozenset[str] | None, kinds: Sequence[str]) -> pa.Table:
    """Read columns of all sides; of chosen safe items, those alone."""
    sides = _sides(file, chosen)
    table = file.read(columns=[f"{side}_{kind}" for side in sides for kind in kinds])
    if chosen is not None:
        table = table.filter(pc.is_in(table["safe_id"], pa.array(sorted(chosen), pa.string())))
    return table


def _sides(file: pq.ParquetFile, chosen: frozenset[str] | None) -> list[str]:
    """Return the sides to read of a file of pairs, or of safe items if some are `chosen`."""
    if chosen is not None:
        return ["safe"]
    has_partners = set(columns_of(PARTNER)) <= set(file.schema_arrow.names)
    return [*SIDES, PARTNER] if has_partners else [*SIDES]


def _embed(
    path: Path,
    contents: Callable[[], _Contents],
    number: int,
    key: str,
    encoding: ReferenceEncoder,
    ahead: _Left,
    work: WorkSplit,
) -> ShardFiles:
    with reading(path), work.timed(Work.READ):
        rows, captions, pictures = contents()
    with work.timed(Work.COMPUTE):
        text = encoding.captions(captions, ahead.advance)
    image = encoding.images(pictures, ahead.advance)
    kept = [item for row, item in enumerate(pictures.items()) if row not in image.failed]
    ids = [name for row, name in enumerate(captions) if row not in text.failed]
    lengths = [len(data) for _, data in kept]
    offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])[:-1]
    stem, tail = f"{number:05d}", key[:12]
    return ShardFiles(
        contents={
            ("captions", f"captions-{stem}-{tail}.parquet"): pa.table(
                {"id": pa.array(ids, pa.string()), "vector": _column(text.rows)}
            ),
            ("images", f"images-{stem}-{tail}.parquet"): pa.table(
                {
                    "image_sha256": pa.array([name for name, _ in kept], pa.string()),
                    "offset": pa.array(offsets, pa.int64()),
                    "length": pa.array(lengths, pa.int64()),
                    "vector": _column(image.rows),
                }
            ),
            ("bin", f"{tail}/pictures-{stem}.bin"): b"".join(data for _, data in kept),
        },
        rows_in=rows,
        facts={"broken": dict(Counter(image.failed.values())), "encoder": encoding.digest},
    )


_Contents = tuple[int, dict[str, str], dict[str, bytes]]
"""Number of rows, captions by id, pictures by hash."""


def _contents(path: Path, seen: set[str], chosen: frozenset[str] | None) -> _Contents:
    """Return what was not seen before; if ids are `chosen`, of those safe items alone."""
    captions: dict[str, str] = {}
    pictures: dict[str, bytes] = {}
    file = pq.ParquetFile(path)
    sides = _sides(file, chosen)
    wanted = [name for side in sides for name in columns_of(side)]
    for group in range(file.num_row_groups):
        table = file.read_row_group(group, columns=wanted)
        if chosen is not None:
            table = table.filter(pc.is_in(table["safe_id"], pa.array(sorted(chosen), pa.string())))
        for row in table.to_pylist():
            for side in sides:
                name = row[f"{side}_id"]
                if name is not None and name not in seen:  # not every pair has a partner
                    captions.setdefault(name, row[f"{side}_caption"])
                data = (row[f"{side}_image"] or {}).get("bytes")
                if data is not None and (sha256 := hashlib.sha256(data).hexdigest()) not in seen:
                    pictures.setdefault(sha256, data)
    return file.metadata.num_rows, captions, pictures


def _column(rows: Vectors) -> pa.Array:
    return to_column(rows.astype(np.float32, copy=False))


def _tables(folder: StageFolder, shards: Sequence[Shard], group: str) -> list[pa.Table]:
    paths = [folder.path / f.path for shard in shards for f in shard.files if f.group == group]
    return list(read_tables(paths))


def _names(folder: StageFolder, shard: Shard) -> list[str]:
    names: list[str] = []
    for group, column in COLUMNS.items():
        for table in _tables(folder, [shard], group):
            names += table[column].to_pylist()
    return names


def _rows(tables: Sequence[pa.Table]) -> Vectors:
    rows: Vectors = np.concatenate([from_column(table["vector"]) for table in tables])
    return rows


def _index(tables: Sequence[pa.Table], column: str) -> dict[str, int]:
    names = [name for table in tables for name in table[column].to_pylist()]
    return {name: row for row, name in enumerate(names)}


def _mapped(path: Path) -> Any:
    try:
        if path.stat().st_size == 0:
            return b""
        with path.open("rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError:
        raise ArtifactError(
            f"{path} is missing; run the same command again to rebuild it"
        ) from None
