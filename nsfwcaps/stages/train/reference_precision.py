"""train, precision of the reference: that of training, if both rank a sample's items alike.

Training reads from the reference which safe item is nearest and by how much. Half precision is many
times as fast on a GPU, and moves cosines by about 0.002. Whether that matters depends on how close
a data set's items are, so it is measured: a sample is encoded both ways, and for every unsafe item
the nearest safe item must be the same, within each modality and across. On a GPU, fp16 is tried
after bf16: it is as fast, and its numbers have three bits more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from nsfwcaps.artifacts import Shard, ShardFiles, StageFolder
from nsfwcaps.config import digest
from nsfwcaps.encoders.encoder import DualEncoder, Vectors
from nsfwcaps.enums import Precision
from nsfwcaps.files import sha256_file
from nsfwcaps.progress import Progress
from nsfwcaps.stages.train.dataset import SIDES, columns_of, reading

Rows = npt.NDArray[np.int64]

ENOUGH = 0.99
"""Share of the sample's queries whose nearest item must be the same, in each direction."""

_VERSION = 1
_ITEMS = 512
_WORTH = 4
"""Fewer pairs than this many samples are encoded in single precision without a check."""


@dataclass(frozen=True, kw_only=True)
class SideRows:
    """Unit rows `[n, d]` of one side of the sample."""

    text: Vectors
    image: Vectors


@dataclass(frozen=True, kw_only=True)
class ReferenceChoice:
    """The encoder of the reference, the facts of the choice, and the shard that keeps it."""

    encoder: DualEncoder
    facts: Mapping[str, Any]
    shards: Sequence[Shard] = ()


def reference_encoder(
    files: Sequence[Path],
    encoder: DualEncoder,
    wanted: Precision,
    folder: StageFolder,
    progress: Progress,
) -> ReferenceChoice:
    """Choose the precision of the reference.

    `encoder` is in single precision, `wanted` is that of training. The choice is kept in the folder
    of the stage: a run that goes on does not choose again.
    """
    pairs = sum(pq.read_metadata(path).num_rows for path in files)
    single = {"precision": Precision.FP32.value, "agreement": {}}
    if wanted is Precision.FP32:
        return ReferenceChoice(encoder=encoder, facts=single)
    if pairs < _WORTH * _ITEMS:
        why = f"fewer than {_WORTH * _ITEMS:,} pairs"
        return ReferenceChoice(encoder=encoder, facts={**single, "unchecked": why})
    tried = (wanted,) if encoder.device == "cpu" else (wanted, Precision.FP16)
    encoders = [encoder.in_precision(precision) for precision in dict.fromkeys(tried)]
    digests = [item.identity.digest for item in (encoder, *encoders)]
    key = digest([_VERSION, "precision", _ITEMS, digests, [sha256_file(path) for path in files]])
    shard = folder.shard_or(key, partial(_check, files, encoder, encoders, progress))
    chosen = {item.identity.precision: item for item in (encoder, *encoders)}
    return ReferenceChoice(
        encoder=chosen[shard.facts["precision"]], facts=shard.facts, shards=[shard]
    )


def agreement(one: tuple[SideRows, SideRows], other: tuple[SideRows, SideRows]) -> dict[str, float]:
    """Share of unsafe queries with the same nearest safe item both ways, by direction.

    Each way gives the rows of the unsafe side and of the safe side.
    """
    kinds = ("text", "image")
    return {
        f"{query} to {target}": _equal(_nearest(one, query, target), _nearest(other, query, target))
        for query in kinds
        for target in kinds
    }


def _check(
    files: Sequence[Path], single: DualEncoder, tried: Sequence[DualEncoder], progress: Progress
) -> ShardFiles:
    """Choose the first of the encoders that ranks like the one in single precision, or that one."""
    sample = _sample(files)
    items = sum(len(captions) + len(pictures) for captions, pictures in sample)
    found: dict[str, dict[str, float]] = {}
    chosen = single
    with progress.task("train: precision", (1 + len(tried)) * items, unit="items") as advance:

        def rows(encoder: DualEncoder) -> tuple[SideRows, SideRows]:
            unsafe, safe = (_encode(encoder, *side, advance) for side in sample)
            return unsafe, safe

        expected = rows(single)
        for encoder in tried:
            shares = agreement(expected, rows(encoder))
            found[encoder.identity.precision] = shares
            if min(shares.values()) >= ENOUGH:
                chosen = encoder
                break
    counts = {side: len(captions) for side, (captions, _) in zip(SIDES, sample, strict=True)}
    return ShardFiles(
        contents={},
        facts={
            "precision": chosen.identity.precision,
            "agreement": found,
            "enough": ENOUGH,
            "sample": counts,
        },
    )


def _nearest(way: tuple[SideRows, SideRows], query: str, target: str) -> Rows:
    """Return the nearest safe item `[n]` of every unsafe one; none if a side is empty."""
    unsafe, safe = (getattr(side, kind) for side, kind in zip(way, (query, target), strict=True))
    if not len(safe):
        return np.empty(0, dtype=np.int64)
    nearest: Rows = (unsafe @ safe.T).argmax(axis=1)
    return nearest


def _equal(one: Rows, other: Rows) -> float:
    """Return the share of equal numbers; 0 if a precision lost rows that are not finite."""
    if len(one) != len(other) or not len(one):
        return 0.0
    return float((one == other).mean())


def _sample(files: Sequence[Path]) -> list[tuple[list[str], list[bytes]]]:
    """Return distinct captions and distinct pictures of each side, evenly from all pairs."""
    rows = sum(pq.read_metadata(path).num_rows for path in files)
    chosen = np.unique(np.arange(_ITEMS) * rows // _ITEMS)
    captions: dict[str, dict[str, None]] = {side: {} for side in SIDES}
    pictures: dict[str, dict[bytes, None]] = {side: {} for side in SIDES}
    start = 0
    for path in files:
        with reading(path):
            file = pq.ParquetFile(path)
            for group in range(file.num_row_groups):
                stop = start + file.metadata.row_group(group).num_rows
                here = chosen[(chosen >= start) & (chosen < stop)] - start
                start = stop
                if not len(here):
                    continue
                names = [name for side in SIDES for name in columns_of(side)[1:]]
                table = file.read_row_group(group, columns=names).take(pa.array(here))
                for row in table.to_pylist():
                    for side in SIDES:
                        captions[side].setdefault(row[f"{side}_caption"])
                        data = (row[f"{side}_image"] or {}).get("bytes")
                        if data is not None:
                            pictures[side].setdefault(data)
    return [([*captions[side]], [*pictures[side]]) for side in SIDES]


def _encode(
    encoder: DualEncoder,
    captions: Sequence[str],
    pictures: Sequence[bytes],
    advance: Callable[[int], None],
) -> SideRows:
    files = [(str(row), partial(bytes, data)) for row, data in enumerate(pictures)]
    return SideRows(
        text=encoder.encode_text(captions, advance).rows,
        image=encoder.encode_images(files, advance).rows,
    )
