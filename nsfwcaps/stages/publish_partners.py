"""publish, the partners: the safe captions that unsafe ones came with, if the pools have them."""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from nsfwcaps.artifacts import StageRecord
from nsfwcaps.captions.normalize import TEXT_DIGITS
from nsfwcaps.tables import read_tables


@dataclass(frozen=True, kw_only=True)
class Partners:
    """The partners of the pairs `[p]`."""

    ids: pa.Array
    """Id of a safe caption, null where a pair has no partner."""
    not_found: int
    """Pairs that name one which is not there."""


def find_partners(ingest: StageRecord, embed: StageRecord, grade: StageRecord) -> Partners:
    """Look up what the unsafe captions of the pairs name among the safe ones with a vector.

    One without a vector counts as not found: what it is a near-duplicate of is not known.
    """
    pairs = pa.concat_tables(read_tables(grade.paths("pairs"), ["unsafe_id"]))
    named = _named(ingest, pairs["unsafe_id"].combine_chunks())
    found = _found(embed, named.unique().drop_null())
    ids = pa.array([found.get(name) for name in named.to_pylist()], pa.string())
    return Partners(ids=ids, not_found=ids.null_count - named.null_count)


def _named(ingest: StageRecord, unsafe_ids: pa.Array) -> pa.Array:
    """What each of these captions names: an id, the text half of one, or null."""
    wanted = unsafe_ids.unique()
    table = pa.concat_tables(
        table.filter(pc.is_in(table["id"], value_set=wanted))
        for table in read_tables(ingest.paths("unsafe"), ["id", "partner"])
    ).combine_chunks()
    spots = pc.index_in(unsafe_ids, value_set=table["id"].combine_chunks())
    return table["partner"].take(spots).combine_chunks()


def _found(embed: StageRecord, names: pa.Array) -> dict[str, str]:
    """Safe id of each name that has one; of a text under several pictures, the first in order."""
    found: dict[str, str] = {}
    for table in read_tables(embed.paths("safe"), ["id"]):
        ids = table["id"].combine_chunks()
        for keys in (ids, pc.utf8_slice_codeunits(ids, 0, TEXT_DIGITS)):
            hit = pc.is_in(keys, value_set=names)
            for name, item in zip(
                keys.filter(hit).to_pylist(), ids.filter(hit).to_pylist(), strict=True
            ):
                found[name] = min(item, found.get(name, item))
    return found
