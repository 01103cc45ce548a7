"""mine: write the chosen pairs as files of ids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from nsfwcaps import schema
from nsfwcaps.artifacts import Shard, ShardTables, StageFolder, StageRecord
from nsfwcaps.captions.normalize import pair_id
from nsfwcaps.config import digest, output_settings
from nsfwcaps.enums import Pairing
from nsfwcaps.mining.ranking import Block
from nsfwcaps.mining.selection import Mask, Ranked
from nsfwcaps.progress import Advance
from nsfwcaps.stages.mine.settings import MineSettings
from nsfwcaps.tables import rechunk
from nsfwcaps.vectors.exact import exact_sims
from nsfwcaps.vectors.index import Rows
from nsfwcaps.vectors.store import VectorTable
from nsfwcaps.vectors.unit import as_cosines

VERSION = 2

_PAIR_ROWS = 65_536


@dataclass(frozen=True, kw_only=True)
class PoolVectors:
    """Vectors of the captions, and of the pictures if there are any."""

    unsafe: VectorTable
    safe: VectorTable
    images: VectorTable | None


class Writer:
    """Writer of blocks as shards of pairs and rejects; `hub_counts` `[s]` cover the whole run."""

    def __init__(
        self,
        settings: MineSettings,
        folder: StageFolder,
        tables: PoolVectors,
        hub_counts: Rows,
        inputs: Mapping[str, StageRecord],
    ) -> None:
        self._k = settings.k
        self._folder = folder
        self._unsafe, self._safe, self._images = tables.unsafe, tables.safe, tables.images
        self._counts = hub_counts
        encoder = inputs["embed"].facts["encoder"]["name"]
        self._provenance = f"{_method(settings)}:{encoder}"
        self._rejected: list[str] = []
        self._reasons: list[str] = []
        self.missing = 0
        """Number of pairs missing to k per unsafe caption."""
        # The whole output of embed: other pictures change the pairs, so the keys must change too.
        content = [record.output_digest for record in inputs.values()]
        self._content = [VERSION, content, output_settings(settings)]

    def write(self, blocks: Iterable[tuple[Block, Mask]], advance: Advance) -> list[Shard]:
        """Write the pairs of all blocks in files of equal size, then the rejects with reasons."""
        shards = []
        # Cut by pairs, not by blocks: the files must not depend on the memory available.
        for number, table in enumerate(rechunk(self._tables(blocks, advance), _PAIR_ROWS)):
            named = {("pairs", f"pairs-{number:05d}"): table}
            key = digest(["pairs", *self._content, number])
            # Unsafe captions are counted once, with the rejects.
            pairs = partial(ShardTables, tables=named, rows_in=0)
            shards.append(self._folder.make_shard(key, pairs))
        rejects = self._folder.make_shard(digest(["rejects", *self._content]), self._rejects)
        return [*shards, rejects]

    def _tables(self, blocks: Iterable[tuple[Block, Mask]], advance: Advance) -> Iterator[pa.Table]:
        for block, chosen in blocks:
            rows = block.ranked.first + np.arange(len(chosen))
            ids = self._unsafe.column("id", rows)
            without = np.flatnonzero(~chosen.any(axis=1))
            self._rejected += ids.take(pa.array(without)).to_pylist()
            self._reasons += [block.reason(int(row)) for row in without]
            self.missing += int(self._k * len(chosen) - chosen.sum())
            yield self._pairs(block, chosen, ids)
            advance(len(rows))

    def _rejects(self) -> ShardTables:
        columns = {"id": self._rejected, "reason": self._reasons}
        table = pa.table(columns, schema=schema.REJECTED_IDS)
        return ShardTables(
            tables={("rejects", "rejects"): table} if self._reasons else {},
            rows_in=self._unsafe.rows,
            rejects=dict(sorted(Counter(self._reasons).items())),
        )

    def _pairs(self, block: Block, chosen: Mask, ids: pa.ChunkedArray) -> pa.Table:
        ranked = block.ranked
        query, place = np.nonzero(chosen)
        rows = ranked.rows[query, place]
        distinct, inverse = np.unique(rows, return_inverse=True)
        unsafe_ids = ids.take(pa.array(query)).to_pylist()
        found = self._safe.column("id", distinct)
        safe_ids = found.take(pa.array(inverse)).to_pylist() if len(rows) else []
        queries = self._unsafe.read(ranked.first, ranked.first + len(ranked.rows))
        sim_image, sim_cross = self._image_sims(queries, query, rows, distinct, inverse, ranked)
        return pa.table(
            {
                "pair_id": [pair_id(u, s) for u, s in zip(unsafe_ids, safe_ids, strict=True)],
                "unsafe_id": unsafe_ids,
                "safe_id": safe_ids,
                "rank": (np.cumsum(chosen, axis=1)[query, place]).astype(np.int32),
                "sim_text": as_cosines(ranked.sims[query, place]),
                "sim_image": sim_image,
                "sim_cross": sim_cross,
                "score": ranked.scores[query, place],
                "margin": pa.array(block.margins[query, place], pa.float32(), from_pandas=True),
                "density": as_cosines(block.density[query]),
                "hub_count": self._counts[rows],
                "provenance": [self._provenance] * len(rows),
            },
            schema=schema.PAIRS,
        )

    def _image_sims(
        self,
        queries: npt.NDArray[np.float16],
        query: Rows,
        rows: Rows,
        distinct: Rows,
        inverse: Rows,
        ranked: Ranked,
    ) -> tuple[pa.Array, pa.Array]:
        """Return the cosines of both pictures, and of the unsafe caption with the safe picture."""
        absent = pa.nulls(len(rows), pa.float32())
        if self._images is None or len(rows) == 0:
            return absent, absent
        safe = self._picture_rows(self._safe, distinct)[inverse]
        unsafe = self._picture_rows(self._unsafe, ranked.first + np.arange(len(ranked.rows)))[query]
        cross = (
            self._sims(queries, query, safe) if self._images.width == queries.shape[1] else absent
        )
        has = np.flatnonzero(unsafe >= 0)
        needed, place = np.unique(unsafe[has], return_inverse=True)
        pictures = self._images.take(needed)
        place_of = np.full(len(rows), -1)
        place_of[has] = place
        return self._sims(pictures, place_of, safe), cross

    def _sims(self, left: npt.NDArray[np.float16], left_of: Rows, picture: Rows) -> pa.Array:
        """Return exact cosines `[m]`; null where a side has no picture (−1)."""
        assert self._images is not None, "checked by the caller"
        both = np.flatnonzero((left_of >= 0) & (picture >= 0))
        out = np.full(len(picture), np.nan, dtype=np.float32)
        out[both] = as_cosines(exact_sims(left, self._images, left_of[both], picture[both]))
        return pa.array(out, pa.float32(), from_pandas=True)

    def _picture_rows(self, captions: VectorTable, rows: Rows) -> Rows:
        """Return the row `[m]` of each caption's picture in the image table; −1 if it has none."""
        assert self._images is not None, "checked by the caller"
        hashes = captions.column("image_sha256", rows).combine_chunks()
        return self._images.find("image_sha256", hashes)


def _method(settings: MineSettings) -> str:
    """Return a short name for how the pairs were made."""
    return "partner" if settings.pairing is Pairing.PARTNER else f"mined:{settings.rank.value}"
