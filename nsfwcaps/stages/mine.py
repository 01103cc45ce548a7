"""mine: for every unsafe caption its closest safe counterparts, ids out.

    vectors ─ search ─▶ candidates [u, depth] ─ rank ─ take ─▶ pairs, rejects

The search and the look back at hubs are in `mine_search`; here candidates become pairs.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from nsfwcaps import schema
from nsfwcaps.artifacts import Shard, StageFolder, StageRecord, StageResult
from nsfwcaps.captions.normalize import pair_id
from nsfwcaps.config import digest, output_settings
from nsfwcaps.errors import ConfigError, InputError, ModelError
from nsfwcaps.progress import Progress
from nsfwcaps.settings import Duplicates, MineSettings
from nsfwcaps.stages import mine_search
from nsfwcaps.stages.mine_search import Candidates, Search, Targets
from nsfwcaps.vectors.index import BlockSearch, Rows, Single
from nsfwcaps.vectors.nearest import exact_sims
from nsfwcaps.vectors.selection import (
    Cutoffs,
    Ranked,
    cap_hubs,
    hub_counts,
    hub_statistics,
    margins,
    open_cutoffs,
    rank,
    take,
)
from nsfwcaps.vectors.store import VectorTable

VERSION = 1

DENSITY_NEIGHBOURS = 10


def sources(settings: MineSettings) -> Mapping[str, str]:
    """Nothing outside the workdir is read."""
    return {}


def plan(settings: MineSettings, inputs: Mapping[str, StageRecord]) -> Mapping[str, Any]:
    """Comparisons to make."""
    embed = inputs["embed"]
    unsafe, safe = embed.rows("unsafe"), embed.rows("safe")
    return {"unsafe": unsafe, "safe": safe, "comparisons": unsafe * safe}


def run(
    settings: MineSettings,
    folder: StageFolder,
    inputs: Mapping[str, StageRecord],
    progress: Progress,
) -> StageResult:
    """Search, rank, and write pairs and rejects, block by block of unsafe captions."""
    embed = inputs["embed"]
    search = _search(settings, folder, embed, progress)
    images = _pictures(search, embed)
    candidates = mine_search.find_candidates(search)
    targets = mine_search.weigh_targets(search, candidates)
    ranker = _Ranker(search, targets, candidates)
    cutoffs = open_cutoffs(search.safe.rows)
    if settings.hub_cap is not None:
        cutoffs = cap_hubs(ranker.ranked, search.safe.rows, k=settings.k, cap=settings.hub_cap)
    counts = hub_counts(
        (ranked.rows[take(ranked, cutoffs, settings.k)] for ranked in ranker.ranked()),
        search.safe.rows,
    )
    writer = _Writer(search, cutoffs, counts, images, embed)
    with progress.task("mine: pairs", search.unsafe.rows) as advance:
        shards = []
        for block in ranker.blocks():
            shards.append(writer.commit(block))
            advance(len(block.ranked.rows))
    return StageResult(shards=shards, facts=_facts(search, shards, counts))


def _search(
    settings: MineSettings, folder: StageFolder, embed: StageRecord, progress: Progress
) -> Search:
    for label in ("unsafe", "safe"):
        if not embed.rows(label):
            raise InputError(f"mine: there is no {label} caption; give ingest a pool of them")
    unsafe, safe = (VectorTable(embed.paths(label)) for label in ("unsafe", "safe"))
    if unsafe.encoder != safe.encoder:
        raise ModelError(
            "mine: safe and unsafe vectors come from two encoders, and their cosines mean nothing; "
            f"delete {embed.folder} and run embed again"
        )
    if safe.rows < settings.k:
        raise ConfigError(
            f"mine: k={settings.k} safe counterparts are asked for and there are {safe.rows} safe "
            "captions; lower --k or add to the safe pool"
        )
    device = BlockSearch(settings.device)
    mine_search.check_depth(settings, device)
    files = [f.sha256 for f in embed.files if f.group in ("unsafe", "safe")]
    return Search(
        settings=settings,
        folder=folder,
        progress=progress,
        unsafe=unsafe,
        safe=safe,
        content=digest(files),
        device=device,
    )


def _pictures(search: Search, embed: StageRecord) -> VectorTable | None:
    """Vectors of the pictures, where there are any."""
    if not embed.paths("images"):
        return None
    images = VectorTable(embed.paths("images"))
    if images.encoder != search.safe.encoder:
        raise ModelError(
            "mine: vectors of captions and pictures come from two encoders, and their cosines mean "
            f"nothing; delete {embed.folder} and run embed again"
        )
    return images


@dataclass(frozen=True, kw_only=True)
class _Block:
    """Ranked candidates of one block of unsafe captions, and what they were ranked from."""

    ranked: Ranked
    other_text: npt.NDArray[np.bool_]
    """Unsafe captions `[q]` with a candidate whose text is not their own."""
    similar: npt.NDArray[np.bool_]
    """… that is also similar enough."""
    reciprocal: npt.NDArray[np.bool_]
    """… that also has the unsafe caption among its nearest."""
    density: Single


class _Ranker:
    """Reads candidate shards and decides which candidates may be targets, in what order."""

    def __init__(self, search: Search, targets: Targets, candidates: Candidates) -> None:
        self._settings = search.settings
        self._targets = targets
        self._candidates = candidates
        self._safe_keys = _text_keys(search.safe, search.settings.skip)
        self._unsafe_keys = _text_keys(search.unsafe, search.settings.skip)

    def ranked(self) -> Iterator[Ranked]:
        """Ranked candidates alone."""
        return (block.ranked for block in self.blocks())

    def blocks(self) -> Iterator[_Block]:
        """Rank one block after the other."""
        floor = self._settings.min_similarity
        for first, found in self._candidates:
            rows, sims = found.rows, found.sims
            own = self._unsafe_keys[first : first + len(rows), None]
            other_text = (rows >= 0) & (self._safe_keys[rows] != own)
            similar = other_text & (sims >= (floor if floor is not None else -np.inf))
            reciprocal = similar & (sims >= self._targets.reach[rows])
            ranked = rank(first, rows, sims, self._targets.penalty[rows], reciprocal)
            yield _Block(
                ranked=ranked,
                other_text=other_text.any(axis=1),
                similar=similar.any(axis=1),
                reciprocal=reciprocal.any(axis=1),
                density=_density(sims, other_text),
            )


class _Writer:
    """Turns blocks into shards of pairs and rejects."""

    def __init__(
        self,
        search: Search,
        cutoffs: Cutoffs,
        counts: Rows,
        images: VectorTable | None,
        embed: StageRecord,
    ) -> None:
        self._search = search
        self._cutoffs = cutoffs
        self._counts = counts
        self._images = images
        encoder = embed.facts["encoder"]["name"]
        self._provenance = f"mined:{search.settings.rank.value}:{encoder}"
        # All that embed made: with other pictures, pairs are other files than the last run's.
        self._content = [VERSION, embed.output_digest, output_settings(search.settings)]

    def commit(self, block: _Block) -> Shard:
        """Write the pairs of one block, and why unsafe captions have none."""
        started = time.monotonic()
        ranked = block.ranked
        chosen = take(ranked, self._cutoffs, self._search.settings.k)
        unsafe_rows = ranked.first + np.arange(len(ranked.rows))
        ids = self._search.unsafe.column("id", unsafe_rows)
        tables = {("pairs", f"pairs-{ranked.first:09d}"): self._pairs(block, chosen, ids)}
        without = np.flatnonzero(~chosen.any(axis=1))
        reasons = [_reason(block, int(row)) for row in without]
        if reasons:
            tables["rejects", f"rejects-{ranked.first:09d}"] = pa.table(
                {"id": ids.take(pa.array(without)), "reason": reasons},
                schema=schema.REJECTED_IDS,
            )
        return self._search.folder.commit(
            digest(["pairs", *self._content, ranked.first]),
            tables,
            rows_in=len(ranked.rows),
            rejects=dict(sorted(Counter(reasons).items())),
            facts={"missing": int(self._search.settings.k * len(chosen) - chosen.sum())},
            started=started,
        )

    def _pairs(
        self, block: _Block, chosen: npt.NDArray[np.bool_], ids: pa.ChunkedArray
    ) -> pa.Table:
        ranked = block.ranked
        query, place = np.nonzero(chosen)
        rows = ranked.rows[query, place]
        distinct, inverse = np.unique(rows, return_inverse=True)
        unsafe_ids = ids.take(pa.array(query)).to_pylist()
        found = self._search.safe.column("id", distinct)
        safe_ids = found.take(pa.array(inverse)).to_pylist() if len(rows) else []
        queries = self._search.unsafe.read(ranked.first, ranked.first + len(ranked.rows))
        sim_image, sim_cross = self._image_sims(queries, query, rows, distinct, inverse, ranked)
        return pa.table(
            {
                "pair_id": [pair_id(u, s) for u, s in zip(unsafe_ids, safe_ids, strict=True)],
                "unsafe_id": unsafe_ids,
                "safe_id": safe_ids,
                "rank": (np.cumsum(chosen, axis=1)[query, place]).astype(np.int32),
                # Exact, so that the number does not depend on blocks or the device.
                "sim_text": exact_sims(queries, self._search.safe, query, rows).astype(np.float32),
                "sim_image": sim_image,
                "sim_cross": sim_cross,
                "score": ranked.scores[query, place],
                "margin": pa.array(margins(ranked)[query, place], pa.float32(), from_pandas=True),
                "density": block.density[query],
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
        """Cosine of the two pictures, and of the unsafe caption with the safe picture."""
        absent = pa.nulls(len(rows), pa.float32())
        if self._images is None or len(rows) == 0:
            return absent, absent
        safe = self._picture_rows(self._search.safe, distinct)[inverse]
        unsafe = self._picture_rows(
            self._search.unsafe, ranked.first + np.arange(len(ranked.rows))
        )[query]
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
        """Exact cosines `[m]`; null where a side has no picture (−1)."""
        assert self._images is not None, "checked by the caller"
        both = np.flatnonzero((left_of >= 0) & (picture >= 0))
        out = np.full(len(picture), np.nan, dtype=np.float32)
        out[both] = exact_sims(left, self._images, left_of[both], picture[both])
        return pa.array(out, pa.float32(), from_pandas=True)

    def _picture_rows(self, captions: VectorTable, rows: Rows) -> Rows:
        """Row in the image table `[m]` of each caption's picture; −1 where it has none."""
        assert self._images is not None, "checked by the caller"
        hashes = captions.column("image_sha256", rows).combine_chunks()
        return self._images.find("image_sha256", hashes)


def _text_keys(table: VectorTable, skip: Duplicates) -> npt.NDArray[np.uint64]:
    """Key `[n]` that captions share which count as the same text."""
    rows = np.arange(table.rows)
    if skip is Duplicates.NEAR_IDENTICAL:
        return np.asarray(table.column("fold_key", rows)).astype(np.uint64)
    # The first half of an id is a hash of the caption alone.
    return np.fromiter(
        (int(item[:16], 16) for item in table.column("id", rows).to_pylist()), np.uint64
    )


def _density(sims: Single, other_text: npt.NDArray[np.bool_]) -> Single:
    """Mean cosine `[q]` to the ten nearest safe captions of other text; sims `[q, c]` descend."""
    counted = other_text & (np.cumsum(other_text, axis=1) <= DENSITY_NEIGHBOURS)
    sums = np.where(counted, sims, 0).sum(axis=1, dtype=np.float64)
    mean: Single = (sums / np.maximum(counted.sum(axis=1), 1)).astype(np.float32)
    return mean


def _reason(block: _Block, row: int) -> str:
    """Why an unsafe caption has no pair: the first of the conditions that left it nothing."""
    if not block.other_text[row]:
        return "only_its_own_text"
    if not block.similar[row]:
        return "below_min_similarity"
    if not block.reciprocal[row]:
        return "not_reciprocal"
    return "targets_full"


def _facts(search: Search, shards: Sequence[Shard], counts: Rows) -> dict[str, Any]:
    return {
        **search.facts,
        "device": search.device.device,
        "candidates": search.depth,
        "pairs": sum(shard.rows_out for shard in shards),
        "pairs_missing": sum(shard.facts["missing"] for shard in shards),
        "hubs": hub_statistics(counts),
    }
