"""mine: what a search needs, from the settings and the files of embed."""

from __future__ import annotations

from dataclasses import dataclass

from nsfwcaps.artifacts import StageFolder, StageRecord
from nsfwcaps.config import digest, parse_bytes
from nsfwcaps.enums import Similarity
from nsfwcaps.mining.candidates import candidate_depth
from nsfwcaps.mining.pairs import MiningMethod, check
from nsfwcaps.mining.similarity import Compared, compared
from nsfwcaps.mining.space import Space
from nsfwcaps.stages.mine.method import method_of
from nsfwcaps.stages.mine.pools import PoolVectors, pools_of
from nsfwcaps.stages.mine.settings import MineSettings
from nsfwcaps.stages.mine.shards import ShardMemo
from nsfwcaps.vectors.index import BlockSearch
from nsfwcaps.vectors.nearest import TILE_ROWS


@dataclass(frozen=True, kw_only=True)
class PreparedSearch:
    """What is compared, how, on what, and where results are kept."""

    method: MiningMethod
    compared: Compared
    space: Space
    memo: ShardMemo
    depth: int
    """Candidates of each unsafe caption."""


def prepared(
    settings: MineSettings, folder: StageFolder, embed: StageRecord, tables: PoolVectors
) -> PreparedSearch:
    """Prepare a search.

    Raises:
        ConfigError: there are fewer than k safe captions.
        InputError: a side has no pictures, and they are to be compared.
    """
    method = method_of(settings)
    of = compared(settings.similarity, pools_of(tables, settings))
    space = space_of(of, settings)
    check(space, method)
    depth = candidate_depth(space.safe.rows, k=settings.k, candidates=settings.candidates)
    groups = ("unsafe", "safe") if settings.similarity is Similarity.TEXT else None
    content = [
        *(f.sha256 for f in embed.files if not groups or f.group in groups),
        settings.similarity,
        of.digest,
    ]
    memo = ShardMemo(folder, settings, content=digest(content), depth=depth)
    return PreparedSearch(method=method, compared=of, space=space, memo=memo, depth=depth)


def space_of(of: Compared, settings: MineSettings) -> Space:
    """Return what is searched, on the device of the settings and within their memory."""
    rows = of.safe.rows
    return Space(
        unsafe=of.unsafe,
        safe=of.safe,
        device=BlockSearch(settings.device),
        memory_bytes=parse_bytes(settings.memory),
        partition_rows=settings.partitions and partition_rows(rows, settings.partitions),
        query_rows=settings.block,
    )


def partition_rows(rows: int, partitions: int) -> int:
    """Return the rows of each partition of a table: whole tiles, unless the table is small.

    >>> partition_rows(10_000, 2), partition_rows(10, 3)
    (8192, 4)
    """
    size = -(-rows // partitions)
    return size if size < TILE_ROWS else -(-size // TILE_ROWS) * TILE_ROWS
