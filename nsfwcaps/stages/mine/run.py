"""mine: for every unsafe caption its closest safe counterparts, ids out.

    vectors ─ search ─▶ candidates [u, depth] ─ rank ─▶ usable, best first ─ take ─▶ pairs, rejects

`mine_search` finds candidates and weighs targets, `mine_rank` orders them, `mine_write` writes. For
a set that is paired already, `mine_partner` takes the place of `mine_rank`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nsfwcaps.artifacts import StageFolder, StageRecord, StageResult
from nsfwcaps.config import digest
from nsfwcaps.enums import Pairing
from nsfwcaps.errors import ConfigError, InputError, ModelError
from nsfwcaps.mining.selection import cap_hubs, hub_counts, hub_statistics, open_cutoffs, take
from nsfwcaps.progress import Progress
from nsfwcaps.stages.mine.partner import PartnerRanker, partner_rows
from nsfwcaps.stages.mine.rank import Ranker
from nsfwcaps.stages.mine.search import Search, check_depth, find_candidates, weigh_targets
from nsfwcaps.stages.mine.settings import MineSettings
from nsfwcaps.stages.mine.write import Writer
from nsfwcaps.vectors.index import BlockSearch
from nsfwcaps.vectors.store import VectorTable

VERSION = 1


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
    ranker = _ranker(search, inputs)
    cutoffs = open_cutoffs(search.safe.rows)
    if settings.hub_cap is not None:
        cutoffs = cap_hubs(ranker.ranked, search.safe.rows, k=settings.k, cap=settings.hub_cap)
    counts = hub_counts(
        (ranked.rows[take(ranked, cutoffs, settings.k)] for ranked in ranker.ranked()),
        search.safe.rows,
    )
    writer = Writer(search, cutoffs, counts, images, inputs)
    with progress.task("mine: pairs", search.unsafe.rows) as advance:
        shards = writer.write(ranker.blocks(), advance)
    return StageResult(
        shards=shards,
        facts={
            **search.facts,
            "device": search.device.device,
            "candidates": search.depth,
            "pairs": sum(shard.rows_out for shard in shards),
            "pairs_missing": writer.missing,
            "hubs": hub_statistics(counts),
        },
    )


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
    check_depth(settings, device)
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


def _ranker(search: Search, inputs: Mapping[str, StageRecord]) -> Ranker | PartnerRanker:
    if search.settings.pairing is Pairing.PARTNER:
        partners = partner_rows(inputs["ingest"], inputs["embed"])
        return PartnerRanker(search, find_candidates(search), partners)
    candidates = find_candidates(search)
    return Ranker(search, weigh_targets(search, candidates), candidates)


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
