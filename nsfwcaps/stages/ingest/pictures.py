"""ingest: which pictures of safe captions are unsafe by a detector."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds

from nsfwcaps import schema
from nsfwcaps.artifacts import Shard, StageFolder
from nsfwcaps.captions.hex_keys import hex_keys
from nsfwcaps.captions.images import read_image
from nsfwcaps.errors import InputError
from nsfwcaps.progress import Progress
from nsfwcaps.stages.ingest.judge import OPTION, Judge
from nsfwcaps.tables import read_tables
from nsfwcaps.vectors.columns import whole


class PictureVerdicts:
    """Unsafe pictures with the reason for each, and counts by detector."""

    def __init__(self) -> None:
        self.reasons: dict[str, str] = {}
        """By SHA-256 of the picture."""
        self.counts: Counter[str] = Counter()


def judge_pictures(
    judge: Judge,
    images: Sequence[Shard],
    safe: Sequence[Path],
    folder: StageFolder,
    progress: Progress,
    *,
    all_of_them: bool = True,
) -> PictureVerdicts:
    """Score every distinct picture of the staged safe captions once.

    Raises:
        InputError: no safe caption has a picture, though these are `all_of_them`.
    """
    found = PictureVerdicts()
    if not judge:
        return found
    paths = [folder.path / file.path for shard in images for file in shard.files]
    of_safe = SafePictures(safe)
    with progress.task("ingest: judge pictures", None, unit="images") as advance:
        for path in paths:
            keys = of_safe.among(path)
            reader = _Reader(path)
            scores = judge.scores(keys, reader.read, advance)
            found.counts.update(judge.counts(scores))
            reasons = zip(keys, judge.reasons(scores), strict=True)
            found.reasons |= {key: reason for key, reason in reasons if reason is not None}
    if all_of_them and not found.counts.total():
        names = ", ".join(statement.name for statement in judge.statements)
        raise InputError(
            f"ingest: {OPTION} {names} judges pictures, but no safe caption has one; set their "
            "column with --image-column, or remove the detector"
        )
    return found


class SafePictures:
    """The pictures of safe captions, by the first 64 bits of their hashes."""

    def __init__(self, safe: Sequence[Path]) -> None:
        parts = [
            np.unique(hex_keys(whole(table["image_sha256"]).drop_null()))
            for table in read_tables(safe, ["image_sha256"])
        ]
        self._keys = np.unique(np.concatenate([np.empty(0, np.uint64), *parts]))

    def among(self, path: Path) -> list[str]:
        """Return the pictures of a file, in order, that a safe caption has."""
        (table,) = read_tables([path], ["image_sha256"])
        hashes = whole(table["image_sha256"])
        keys = hex_keys(hashes)
        place = np.searchsorted(self._keys, keys)
        inside = np.flatnonzero(place < len(self._keys))
        inside = inside[self._keys[place[inside]] == keys[inside]]
        found: list[str] = hashes.take(pa.array(inside)).to_pylist()
        return found


class _Reader:
    """Reads pictures of one file, sorted by SHA-256."""

    def __init__(self, path: Path) -> None:
        self._images = ds.dataset([str(path)], schema=schema.IMAGES)

    def read(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return the bytes of pictures whose keys ascend; None if one is gone."""
        key = ds.field("image_sha256")
        rows: pa.Table = self._images.to_table(filter=(key >= keys[0]) & (key <= keys[-1]))
        by_key = {row["image_sha256"]: row for row in rows.to_pylist()}
        return [_bytes(by_key[item]) for item in keys]


def _bytes(row: Mapping[str, str | bytes | None]) -> bytes | None:
    data = row["image"]
    if isinstance(data, bytes):
        return data
    try:
        return read_image(str(row["image_path"]))
    except OSError:
        return None
