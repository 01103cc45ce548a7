"""publish, split: group connected pairs, and assign a split to each group.

The captions of all pairs, on both sides, are nodes. A pair is an edge. So are, between any two
captions: a cosine of at least `near_duplicate`, the same picture, nearly the same picture, and an
equal value of a column to group by. A connected group goes into one split as a whole, so no
caption, no picture and no near-duplicate of one is in two splits.

Partners are nodes too, but a pair has no edge to its partner: many pairs may share one, and would
form one large group. A partner in another split than its pair is dropped from the pair.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from nsfwcaps.artifacts import StageFolder, StageRecord
from nsfwcaps.captions.picture_hash import PLAIN
from nsfwcaps.captions.splits import Ids, assign, beside, groups
from nsfwcaps.config import digest
from nsfwcaps.enums import Split
from nsfwcaps.progress import Progress
from nsfwcaps.stages.publish.links import (
    CAPTIONS,
    CaptionSearch,
    Edges,
    column_facts,
    column_values,
    group_columns,
    links,
    picture_hashes,
)
from nsfwcaps.stages.publish.near_captions import hash_plan, search_facts
from nsfwcaps.stages.publish.near_pictures import PictureHashes
from nsfwcaps.stages.publish.nodes import Nodes, numbered, read_nodes
from nsfwcaps.stages.publish.settings import PublishSettings
from nsfwcaps.tables import read_tables
from nsfwcaps.vectors.bucket_join import Groups
from nsfwcaps.vectors.index import Rows

VERSION = 2


@dataclass(frozen=True, kw_only=True)
class Splits:
    """The split `[p]` of every pair, what it was decided by, and statistics of the groups."""

    of_pair: npt.NDArray[np.str_]
    partner_ids: pa.Array
    """Id `[p]` of the partner of every pair; null if there is none in the split of the pair."""
    nodes: Nodes
    ends: Mapping[str, Rows]
    """Node `[p]` of the unsafe and the safe caption of every pair, and of the partner, or −1."""
    held_out: npt.NDArray[np.bool_]
    """Whether a node `[n]` is an item of a validation or test pair."""
    values: Mapping[str, pa.Array]
    """Values `[n]` of the columns to group by."""
    hashes: PictureHashes | None
    """Perceptual hashes of the pictures; None if they are not compared."""
    facts: Mapping[str, Any]


def split_pairs(
    settings: PublishSettings,
    folder: StageFolder,
    inputs: Mapping[str, StageRecord],
    partner_ids: pa.Array,
    progress: Progress,
) -> Splits:
    """Group the pairs `[p]` of the grade stage, and assign a split to every group.

    Raises:
        InputError: ingest did not keep a column to group by.
    """
    ingest, embed, grade = (inputs[name] for name in ("ingest", "embed", "grade"))
    columns = group_columns(settings, ingest)
    unsafe_ids, (unsafe,) = numbered([_column(grade, "unsafe_id")])
    partners = pa.chunked_array([partner_ids])
    safe_ids, (safe, partner) = numbered([_column(grade, "safe_id"), partners])
    content = digest(
        [
            *(VERSION, embed.output_digest, grade.output_digest),
            partner_ids.drop_null().unique().sort().to_pylist(),
        ]
    )
    nodes = read_nodes(folder, embed, {"unsafe": unsafe_ids, "safe": safe_ids}, content)
    safe += len(unsafe_ids)
    partner[partner >= 0] += len(unsafe_ids)
    values = _values(ingest, nodes, columns)
    hashes = picture_hashes(settings, folder, ingest, nodes, progress)
    search = CaptionSearch(
        content=content,
        plan=hash_plan(settings, nodes.vectors),
        labels=groups(nodes.count, unsafe, safe),
    )
    kinds = links(settings, folder, nodes, values, hashes, search, progress)
    of_node, counts = _grouped(search.labels, unsafe, kinds)
    group, ids = of_node[unsafe], Ids(unsafe, unsafe_ids)
    of_pair = assign(
        group,
        ids,
        validation_share=settings.validation_share,
        test_share=settings.test_share,
        seed=settings.seed,
    )
    named = np.where(partner < 0, -1, of_node[partner])
    together = beside(named, group, of_pair, ids)
    partner = np.where(together, partner, -1)
    return Splits(
        of_pair=of_pair,
        partner_ids=pc.if_else(pa.array(together), partner_ids, None),
        nodes=nodes,
        ends={"unsafe": unsafe, "safe": safe, "partner": partner},
        held_out=_held_out(nodes.count, of_pair, unsafe, safe, partner),
        values=values,
        hashes=hashes,
        facts={
            "groups": _number(group),
            "largest_group": int(np.unique(group, return_counts=True)[1].max()),
            "largest_group_of": _largest(group, of_pair),
            "assigned": {name: int((of_pair == name).sum()) for name in split_names(of_pair)},
            "wanted": {"validation": settings.validation_share, "test": settings.test_share},
            "near_duplicates": counts[CAPTIONS]["links"],
            "links": counts,
            **search_facts(search.plan),
            "group_columns": {
                name: column_facts(found, len(nodes.ids["unsafe"]))
                for name, found in values.items()
            },
            "pictures": _picture_facts(hashes),
        },
    )


def _column(grade: StageRecord, name: str) -> pa.ChunkedArray:
    """Return a column of ids of all pairs."""
    parts = [table[name] for table in read_tables(grade.paths("pairs"), [name])]
    return pa.chunked_array([chunk for part in parts for chunk in part.chunks], pa.string())


def _grouped(
    labels: Rows, unsafe: Rows, kinds: Iterable[tuple[str, Edges]]
) -> tuple[Rows, dict[str, dict[str, int]]]:
    """Return the group `[n]` of each node, and what each kind of link joined, one after the other.

    `labels` `[n]` are the groups by the pairs. `joined` is the number of groups of pairs that a
    kind of link removes.
    """
    of_node, counts = Groups(labels), {}
    for kind, (left, right) in kinds:
        before = _number(of_node.labels[unsafe])
        of_node.add(left, right)
        counts[kind] = {"links": len(left), "joined": before - _number(of_node.labels[unsafe])}
    return of_node.labels, counts


def _values(ingest: StageRecord, nodes: Nodes, columns: Sequence[str]) -> dict[str, pa.Array]:
    if not columns:
        return {}
    sides = [column_values(ingest, label, ids, columns) for label, ids in nodes.ids.items()]
    return {name: pa.concat_arrays([side[name] for side in sides]) for name in columns}


def _held_out(count: int, of_pair: npt.NDArray[np.str_], *sides: Rows) -> npt.NDArray[np.bool_]:
    """Return a mask `[n]` of the items of held-out pairs; −1 in a side `[p]` is no item."""
    out = np.zeros(count, dtype=np.bool_)
    for rows in sides:
        held = rows[of_pair != Split.TRAIN.value]
        out[held[held >= 0]] = True
    return out


def _number(labels: Rows) -> int:
    return len(np.unique(labels))


def _largest(group: Rows, of_pair: npt.NDArray[np.str_]) -> dict[str, int]:
    """Return the number of pairs of the largest group in each split that has pairs."""
    return {
        name: int(np.unique(group[of_pair == name], return_counts=True)[1].max())
        for name in split_names(of_pair)
    }


def _picture_facts(hashes: PictureHashes | None) -> dict[str, int] | None:
    """Return the number of pictures that were compared, and why others were not."""
    if hashes is None:
        return None
    plain = hashes.without[PLAIN]
    unreadable = hashes.without.total() - plain
    return {"compared": len(hashes.hashes), "plain": plain, "unreadable": unreadable}


def split_names(of_pair: npt.NDArray[np.str_]) -> Sequence[str]:
    """Return the splits that have pairs, given the split of each pair, in the usual order."""
    return [split.value for split in Split if (of_pair == split.value).any()]
