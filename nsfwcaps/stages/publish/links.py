"""publish, links: what joins captions into groups besides their pairs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from nsfwcaps.artifacts import StageFolder, StageRecord
from nsfwcaps.captions.splits import equal_values
from nsfwcaps.captions.tables.column_names import folded
from nsfwcaps.captions.tables.kept import comparable, listed
from nsfwcaps.errors import InputError
from nsfwcaps.progress import Progress
from nsfwcaps.stages.publish.captions import captions_of
from nsfwcaps.stages.publish.kept import kept_columns
from nsfwcaps.stages.publish.near_captions import near_by_hashes, near_captions
from nsfwcaps.stages.publish.near_pictures import PictureHashes, hash_pictures, near_pictures
from nsfwcaps.stages.publish.nodes import Nodes
from nsfwcaps.stages.publish.settings import PublishSettings
from nsfwcaps.vectors.hyperplanes import HashPlan
from nsfwcaps.vectors.index import Rows

CAPTIONS, PICTURES = "near_duplicate_captions", "equal_pictures"
COLUMN, NEAR_PICTURES = "group_column", "near_duplicate_pictures"

Edges = tuple[Rows, Rows]


@dataclass(frozen=True, kw_only=True)
class CaptionSearch:
    """How near-duplicate captions are searched."""

    content: str
    """Digest of the captions and their pairs."""
    plan: HashPlan | None
    """None: all are compared with all."""
    labels: Rows
    """Group `[n]` of each caption by the pairs alone."""


def group_columns(settings: PublishSettings, ingest: StageRecord) -> list[str]:
    """Return the columns to group by, as ingest spelt them.

    Raises:
        InputError: ingest did not keep a column.
    """
    kept = {folded(name): name for name in kept_columns(ingest)}
    wanted = listed(settings.group_column)
    if missing := [name for name in wanted if folded(name) not in kept]:
        raise InputError(
            f"publish.group_column: the column '{missing[0]}' was not kept by ingest; kept: "
            f"{', '.join(kept.values()) or 'none'}. Run ingest and the later stages again with "
            f"--keep-columns {','.join([*kept.values(), *missing])}"
        )
    return [kept[folded(name)] for name in wanted]


def column_values(
    ingest: StageRecord, label: str, ids: pa.Array, columns: Sequence[str]
) -> Mapping[str, pa.Array]:
    """Return the kept cells `[m]` of each column as text, for ids `[m]` of a side."""
    cells = captions_of(ingest, label, pa.chunked_array([ids]), ["kept"])["kept"]
    return values_of(cells, columns)


def values_of(cells: pa.ChunkedArray, columns: Sequence[str]) -> dict[str, pa.Array]:
    """Return the values `[m]` of each column, as `comparable` text, from kept cells `[m]`."""
    found = comparable(cells.to_pylist(), columns)
    return {name: pa.array(found[name], pa.string()) for name in columns}


def column_facts(values: pa.Array, unsafe: int) -> dict[str, int]:
    """Count what a column to group by can join; values `[n]` are of `unsafe` nodes, then safe ones.

    `unsafe` and `safe` are captions with a value, `across` are safe captions with a value that an
    unsafe one has too: the links between the two pools.
    """
    one, other = values.slice(0, unsafe), values.slice(unsafe)
    shared = pc.is_in(other, value_set=one.drop_null())
    return {
        "unsafe": len(one) - one.null_count,
        "safe": len(other) - other.null_count,
        "across": pc.sum(shared).as_py() or 0,
    }


def picture_hashes(
    settings: PublishSettings,
    folder: StageFolder,
    ingest: StageRecord,
    nodes: Nodes,
    progress: Progress,
) -> PictureHashes | None:
    """Return the perceptual hashes of the nodes' pictures; None if they are not compared."""
    wanted = nodes.pictures.drop_null().unique().sort()
    if not len(wanted) or not settings.near_image:
        return None
    return hash_pictures(folder, ingest, wanted, progress)


def links(
    settings: PublishSettings,
    folder: StageFolder,
    nodes: Nodes,
    values: Mapping[str, pa.Array],
    hashes: PictureHashes | None,
    search: CaptionSearch,
    progress: Progress,
) -> Iterator[tuple[str, Edges]]:
    """Yield each kind of link with its edges `[e]`, `[e]` between nodes.

    `values` are those of the columns to group by, `[n]` each.
    """
    of, vectors = search, nodes.vectors
    if of.plan is None:
        yield CAPTIONS, near_captions(settings, folder, vectors, of.content, progress)
    else:
        more = of.labels, of.plan, of.content
        yield CAPTIONS, near_by_hashes(settings, folder, vectors, *more, progress)
    yield PICTURES, _equal(nodes.pictures)
    if values:
        parts = [_equal(column) for column in values.values()]
        left, right = (np.concatenate(ends) for ends in zip(*parts, strict=True))
        yield COLUMN, (left, right)
    if hashes is not None:
        one, other = near_pictures(settings, folder, hashes, progress)
        # The first node of each picture; equal pictures join the others.
        spots = pc.index_in(hashes.names, value_set=nodes.pictures)
        first = np.asarray(spots).astype(np.int64)
        yield NEAR_PICTURES, (first[one], first[other])


def _equal(values: pa.Array) -> Edges:
    codes = pc.fill_null(values.dictionary_encode().indices, -1)
    return equal_values(np.asarray(codes).astype(np.int64))
