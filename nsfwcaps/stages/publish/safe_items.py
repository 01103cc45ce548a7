"""publish, safe items: captions with images of the whole safe pool, to preserve in training.

They are drawn by a hash of the seed and their id. None has the caption, the picture or a value of a
column to group by of an item of a validation or test pair, nor a near-duplicate of its caption or
picture. Captions that the screen of ingest flagged are left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from nsfwcaps import schema
from nsfwcaps.artifacts import Shard, ShardFiles, StageFolder, StageRecord
from nsfwcaps.captions.normalize import TEXT_DIGITS
from nsfwcaps.captions.splits import seeded_hash
from nsfwcaps.cards.dataset import SAFE
from nsfwcaps.config import digest, parse_bytes
from nsfwcaps.enums import Device
from nsfwcaps.progress import Progress
from nsfwcaps.stages.publish.captions import captions_of
from nsfwcaps.stages.publish.images import KnownPictures, unsigned
from nsfwcaps.stages.publish.links import values_of
from nsfwcaps.stages.publish.near_pictures import hash_pictures
from nsfwcaps.stages.publish.settings import PublishSettings
from nsfwcaps.stages.publish.split import Splits
from nsfwcaps.stages.publish.write import ROWS_WITH_IMAGES
from nsfwcaps.tables import column_names, read_tables
from nsfwcaps.vectors.array import VectorArray
from nsfwcaps.vectors.index import BlockSearch, within_bits
from nsfwcaps.vectors.nearest import HeldTable, blocks_for
from nsfwcaps.vectors.store import VectorTable

_LEAST = 1024
"""Smallest number of captions to draw at once."""

_COUNTED = (
    *("pool", "without_image", "flagged", "shared_with_held_out"),
    *("near_held_out", "unreadable", "without_vector"),
)

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class SafeItems:
    """The ids of the items, in the order drawn, and how many captions were left out and why."""

    ids: pa.Array
    facts: Mapping[str, int]


class _HeldOut:
    """What safe items must not share with the items of held-out pairs."""

    def __init__(self, splits: Splits, fixed_texts: Sequence[str], memory_bytes: int) -> None:
        rows = np.flatnonzero(splits.held_out)
        nodes = splits.nodes
        ids = pa.concat_arrays([*nodes.ids.values()]).take(pa.array(rows))
        texts = pc.utf8_slice_codeunits(ids, 0, TEXT_DIGITS)
        self._texts = pa.concat_arrays([texts, pa.array(fixed_texts, pa.string())])
        self._pictures = nodes.pictures.take(pa.array(rows)).drop_null()
        self._values = {
            name: column.take(pa.array(rows)).drop_null() for name, column in splits.values.items()
        }
        self.columns = [*splits.values]
        vectors = VectorArray(nodes.vectors.take(rows))
        block_rows = blocks_for(memory_bytes, vectors.width, 1).rows
        self.vectors = HeldTable(vectors, BlockSearch(Device.AUTO), block_rows=block_rows)
        self.hashes = np.empty((0, 32), np.uint8)
        if splits.hashes is not None:
            here = pc.is_in(splits.hashes.names, value_set=self._pictures)
            self.hashes = splits.hashes.hashes[np.asarray(here)]

    def shares(self, table: pa.Table) -> Mask:
        """Return a mask `[m]` of captions with a text, picture or value of a held-out item."""
        texts = pc.utf8_slice_codeunits(table["id"], 0, TEXT_DIGITS)
        out = _among(texts, self._texts) | _among(table["image_sha256"], self._pictures)
        if self.columns:
            for name, found in values_of(table["kept"], self.columns).items():
                out |= _among(found, self._values[name])
        return out


def _among(values: pa.Array | pa.ChunkedArray, known: pa.Array) -> Mask:
    return np.asarray(pc.is_in(values, value_set=known)).astype(np.bool_)


class _Pool:
    """The safe captions that may be drawn, in the order of the draw."""

    def __init__(self, ingest: StageRecord, held: _HeldOut, seed: int) -> None:
        self._paths = ingest.paths("safe")
        self._held, self._seed = held, seed
        self._names = ["id", "image_sha256", *(["kept"] if held.columns else [])]
        self.counts: Counter[str] = Counter()

    def draw(self, start: int, count: int) -> tuple[npt.NDArray[np.uint64], pa.Table]:
        """Return the keys, ascending from `start`, and the rows of the next captions."""
        self.counts.clear()
        keys, found = np.empty(0, np.uint64), None
        for table in self._usable():
            own = np.array(
                [
                    int.from_bytes(seeded_hash(self._seed, name)[:8], "big")
                    for name in table["id"].to_pylist()
                ],
                dtype=np.uint64,
            )
            later = own >= start
            table = table.filter(pa.array(later))
            keys = np.concatenate([keys, own[later]])
            found = table if found is None else pa.concat_tables([found, table])
            order = np.argsort(keys, kind="stable")[:count]
            keys, found = keys[order], found.take(pa.array(order))
        assert found is not None, "a safe pool has a file"
        return keys, found

    def _usable(self) -> Iterator[pa.Table]:
        for path in self._paths:
            # Records of older versions have no flags.
            flags = [name for name in ("flags",) if name in column_names(path)]
            (table,) = read_tables([path], [*self._names, *flags])
            self.counts["pool"] += table.num_rows
            usable = table.filter(pc.is_valid(table["image_sha256"]))
            self.counts["without_image"] += table.num_rows - usable.num_rows
            if flags:
                on = pc.greater(pc.fill_null(pc.list_value_length(usable["flags"]), 0), 0)
                self.counts["flagged"] += pc.sum(on).as_py() or 0
                usable = usable.filter(pc.invert(on))
            shares = self._held.shares(usable)
            self.counts["shared_with_held_out"] += int(shares.sum())
            yield usable.filter(pa.array(~shares)).select(["id", "image_sha256"])


def choose(
    settings: PublishSettings,
    folder: StageFolder,
    inputs: Mapping[str, StageRecord],
    splits: Splits,
    fixed_texts: Sequence[str],
    progress: Progress,
) -> SafeItems:
    """Draw the safe items; `fixed_texts` are text halves of ids of captions that a review fixed."""
    held = _HeldOut(splits, fixed_texts, parse_bytes(settings.memory))
    pool = _Pool(inputs["ingest"], held, settings.seed)
    dropped: Counter[str] = Counter()
    parts = [pa.array([], pa.string())]
    left, start = settings.safe_items, 0
    while left > 0:
        keys, drawn = pool.draw(start, max(left + left // 4, _LEAST))
        if not len(keys):
            break
        start = int(keys[-1]) + 1
        reasons = _reasons(settings, folder, inputs, held, drawn, progress)
        fine = drawn["id"].filter(pa.array(reasons == ""))[:left].combine_chunks()
        parts.append(fine)
        left -= len(fine)
        dropped.update(reasons[reasons != ""].tolist())
    ids, counts = pa.concat_arrays(parts), pool.counts + dropped
    return SafeItems(
        ids=ids, facts={"count": len(ids), **{name: counts[name] for name in _COUNTED}}
    )


def _reasons(
    settings: PublishSettings,
    folder: StageFolder,
    inputs: Mapping[str, StageRecord],
    held: _HeldOut,
    drawn: pa.Table,
    progress: Progress,
) -> npt.NDArray[np.object_]:
    """Return why each of the drawn captions `[m]` is left out; empty text if it is not."""
    out = np.full(drawn.num_rows, "", dtype=object)
    pictures = drawn["image_sha256"].combine_chunks()
    found = hash_pictures(folder, inputs["ingest"], pictures.unique().sort(), progress)
    out[_among(pictures, found.unreadable)] = "unreadable"
    if settings.near_image and len(held.hashes):
        near, _ = within_bits(
            found.hashes,
            held.hashes,
            settings.near_image,
            memory_bytes=parse_bytes(settings.memory),
        )
        out[_among(pictures, found.names.take(pa.array(np.unique(near))))] = "near_held_out"
    out[_near_captions(settings, inputs["embed"], held, drawn["id"].combine_chunks())] = (
        "near_held_out"
    )
    out[_among(drawn["id"], _without_vector(inputs["embed"], drawn))] = "without_vector"
    return out


def _without_vector(embed: StageRecord, drawn: pa.Table) -> pa.Array:
    ids = drawn["id"].combine_chunks()
    return ids.filter(pa.array(VectorTable(embed.paths("safe")).find("id", ids) < 0))


def _near_captions(
    settings: PublishSettings, embed: StageRecord, held: _HeldOut, ids: pa.Array
) -> Mask:
    """Return a mask `[m]` of captions whose cosine to a held-out caption reaches the limit."""
    out = np.zeros(len(ids), dtype=np.bool_)
    table = VectorTable(embed.paths("safe"))
    rows = table.find("id", ids)
    known = np.flatnonzero(rows >= 0)
    if not held.vectors.table.rows or not len(known):
        return out
    known = known[np.argsort(rows[known])]
    sizes = blocks_for(parse_bytes(settings.memory), table.width, 1)
    for start in range(0, len(known), sizes.queries):
        part = known[start : start + sizes.queries]
        queries = table.take(rows[part])
        best = held.vectors.nearest(queries, 1, exact=True)
        out[part] = best.sims[:, 0] >= settings.near_duplicate
    return out


def write(folder: StageFolder, ingest: StageRecord, items: SafeItems, release: str) -> list[Shard]:
    """Write the items with their pictures."""
    pictures = KnownPictures(ingest)
    total = -(-len(items.ids) // ROWS_WITH_IMAGES)
    shards = []
    for number in range(total):
        ids = items.ids[number * ROWS_WITH_IMAGES : (number + 1) * ROWS_WITH_IMAGES]
        path = f"{release[:12]}/{SAFE}/train-{number:05d}-of-{total:05d}.parquet"
        key = digest([release, SAFE, ids.to_pylist()])
        shards.append(folder.shard_or(key, partial(_file, ingest, pictures, ids, path)))
    return shards


def _file(ingest: StageRecord, pictures: KnownPictures, ids: pa.Array, path: str) -> ShardFiles:
    names = ["caption", "source", "image_path", "image_sha256"]
    found = captions_of(ingest, "safe", pa.chunked_array([ids]), names)
    columns: dict[str, Any] = {"safe_id": ids} | {f"safe_{name}": found[name] for name in names}
    columns["safe_image_path"] = unsigned(found["image_path"])
    columns["safe_image"] = pictures.column(found["image_sha256"])
    table = pa.table({name: columns[name] for name in schema.SAFE_ITEMS.names})
    return ShardFiles(contents={("dataset", path): table.cast(schema.SAFE_ITEMS)})
