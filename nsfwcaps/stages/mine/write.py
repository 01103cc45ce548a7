"""mine: write the chosen pairs as files of ids."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial

import numpy as np
import pyarrow as pa

from nsfwcaps import schema
from nsfwcaps.artifacts import Shard, ShardTables, StageFolder, StageRecord
from nsfwcaps.captions.normalize import pair_id
from nsfwcaps.config import digest, output_settings
from nsfwcaps.enums import Pairing, Similarity
from nsfwcaps.mining.pair_block import PairBlock
from nsfwcaps.mining.pairs import MinedPairs
from nsfwcaps.progress import Advance
from nsfwcaps.stages.mine.pair_sims import sims_of
from nsfwcaps.stages.mine.pools import PoolVectors
from nsfwcaps.stages.mine.settings import MineSettings
from nsfwcaps.tables import rechunk
from nsfwcaps.vectors.index import Rows, Single
from nsfwcaps.vectors.unit import as_cosines

VERSION = 3

_PAIR_ROWS = 65_536


class Writer:
    """Writer of the pairs of a run as shards of pairs and rejects."""

    def __init__(
        self,
        settings: MineSettings,
        folder: StageFolder,
        tables: PoolVectors,
        mined: MinedPairs,
        inputs: Mapping[str, StageRecord],
    ) -> None:
        self._k, self._similarity = settings.k, settings.similarity
        self._folder, self._tables, self._mined = folder, tables, mined
        encoder = inputs["embed"].facts["encoder"]["name"]
        self._provenance = f"{_method(settings)}:{encoder}"
        self._rejected: list[str] = []
        self._reasons: list[str] = []
        self.missing = 0
        """Number of pairs missing to k per unsafe caption."""
        # The whole output of embed: other pictures change the pairs, so the keys must change too.
        content = [record.output_digest for record in inputs.values()]
        self._content = [VERSION, content, output_settings(settings)]

    def write(self, advance: Advance) -> list[Shard]:
        """Write the pairs of all blocks in files of equal size, then the rejects with reasons."""
        shards = []
        # Cut by pairs, not by blocks: the files must not depend on the memory available.
        for number, table in enumerate(rechunk(self._blocks(advance), _PAIR_ROWS)):
            named = {("pairs", f"pairs-{number:05d}"): table}
            key = digest(["pairs", *self._content, number])
            # Unsafe captions are counted once, with the rejects.
            pairs = partial(ShardTables, tables=named, rows_in=0)
            shards.append(self._folder.make_shard(key, pairs))
        rejects = self._folder.make_shard(digest(["rejects", *self._content]), self._rejects)
        return [*shards, rejects]

    def _blocks(self, advance: Advance) -> Iterator[pa.Table]:
        self._reject(self._mined.without_picture, ["no_picture"] * len(self._mined.without_picture))
        advance(len(self._mined.without_picture))
        for pairs, margins, density in self._mined.blocks():
            self._reject(pairs.rows[[*pairs.rejects]], [*pairs.rejects.values()])
            self.missing += self._k * len(pairs.rows) - len(pairs.targets)
            yield self._pairs(pairs, margins, density[pairs.query])
            advance(len(pairs.rows))

    def _reject(self, rows: Rows, reasons: list[str]) -> None:
        """Set unsafe captions aside, by ascending row."""
        self._rejected += self._tables.unsafe.column("id", rows).to_pylist()
        self._reasons += reasons

    def _rejects(self) -> ShardTables:
        columns = {"id": self._rejected, "reason": self._reasons}
        table = pa.table(columns, schema=schema.REJECTED_IDS)
        return ShardTables(
            tables={("rejects", "rejects"): table} if self._reasons else {},
            rows_in=self._tables.unsafe.rows,
            rejects=dict(sorted(Counter(self._reasons).items())),
        )

    def _pairs(self, pairs: PairBlock, margins: Single, density: Single) -> pa.Table:
        rows = pairs.targets
        distinct, inverse = np.unique(rows, return_inverse=True)
        ids = self._tables.unsafe.column("id", pairs.rows)
        unsafe_ids = ids.take(pa.array(pairs.query)).to_pylist()
        found = self._tables.safe.column("id", distinct)
        safe_ids = found.take(pa.array(inverse)).to_pylist() if len(rows) else []
        sims = sims_of(pairs, self._tables, self._similarity)
        return pa.table(
            {
                "pair_id": [pair_id(u, s) for u, s in zip(unsafe_ids, safe_ids, strict=True)],
                "unsafe_id": unsafe_ids,
                "safe_id": safe_ids,
                "rank": pairs.ranks.astype(np.int32),
                "sim_text": sims.text,
                "sim_image": sims.image,
                "sim_cross": sims.cross,
                "score": pairs.scores,
                "margin": pa.array(margins, pa.float32(), from_pandas=True),
                "density": as_cosines(density),
                "hub_count": self._mined.hub_counts[rows],
                "provenance": [self._provenance] * len(rows),
            },
            schema=schema.PAIRS,
        )


def _method(settings: MineSettings) -> str:
    """Return a short name for how the pairs were made; text goes without saying."""
    if settings.pairing is Pairing.PARTNER:
        return "partner"
    by = "" if settings.similarity is Similarity.TEXT else f":{settings.similarity.value}"
    return f"mined:{settings.rank.value}{by}"
