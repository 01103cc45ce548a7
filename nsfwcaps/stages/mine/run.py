"""mine: find the closest safe counterparts of every unsafe caption; write pairs of ids.

    vectors ─ search ─▶ candidates [u, depth] ─ rank ─▶ usable, best first ─ take ─▶ pairs, rejects

`nsfwcaps.mining` selects the pairs, on arrays. This package handles the files: it reads the vectors
of embed, stores blocks as shards (`shards`) and writes the pairs (`write`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nsfwcaps.artifacts import StageFolder, StageRecord, StageResult
from nsfwcaps.config import digest, parse_bytes
from nsfwcaps.enums import Pairing
from nsfwcaps.errors import InputError, ModelError
from nsfwcaps.machine.known_rates import device_name
from nsfwcaps.mining.candidates import candidate_depth
from nsfwcaps.mining.pairs import MinedPairs, check, choose, choose_partners
from nsfwcaps.mining.ranking import TextKeys
from nsfwcaps.mining.space import Space
from nsfwcaps.progress import Progress
from nsfwcaps.runtime.device import torch_device
from nsfwcaps.stages.mine.method import method_of
from nsfwcaps.stages.mine.partners import partner_rows
from nsfwcaps.stages.mine.settings import MineSettings
from nsfwcaps.stages.mine.shards import ShardMemo
from nsfwcaps.stages.mine.text_keys import text_keys
from nsfwcaps.stages.mine.write import PoolVectors, Writer
from nsfwcaps.vectors.index import BlockSearch
from nsfwcaps.vectors.store import VectorTable

VERSION = 2


def sources(settings: MineSettings) -> Mapping[str, str]:
    """Return no sources: mine reads nothing outside the workdir."""
    return {}


def plan(settings: MineSettings, inputs: Mapping[str, StageRecord]) -> Mapping[str, Any]:
    """Return the number of comparisons."""
    embed = inputs["embed"]
    unsafe, safe = embed.rows("unsafe"), embed.rows("safe")
    kind = f"comparisons, {embed.facts['encoder']['width']} wide, {settings.index or 'exact'}"
    on = device_name(torch_device(settings.device))
    return {
        "unsafe": unsafe,
        "safe": safe,
        "comparisons": unsafe * safe,
        "work": {f"{kind}, {on}": unsafe * safe},
    }


def run(
    settings: MineSettings,
    folder: StageFolder,
    inputs: Mapping[str, StageRecord],
    progress: Progress,
) -> StageResult:
    """Search, rank, and write pairs and rejects, in blocks of unsafe captions.

    Raises:
        InputError: a side has no captions.
        ModelError: the vectors come from different encoders.
    """
    tables = _tables(inputs["embed"])
    space = Space(
        unsafe=tables.unsafe,
        safe=tables.safe,
        device=BlockSearch(settings.device),
        memory_bytes=parse_bytes(settings.memory),
    )
    mined = _choose(settings, folder, inputs, space, tables, progress)
    writer = Writer(settings, folder, tables, mined.hub_counts, inputs)
    with progress.task("mine: pairs", space.unsafe.rows) as advance:
        shards = writer.write(mined.blocks(), advance)
    return StageResult(
        shards=shards,
        facts={
            **mined.facts,
            "pairs": sum(shard.rows_out for shard in shards),
            "pairs_missing": writer.missing,
        },
    )


def _choose(
    settings: MineSettings,
    folder: StageFolder,
    inputs: Mapping[str, StageRecord],
    space: Space,
    tables: PoolVectors,
    progress: Progress,
) -> MinedPairs:
    embed = inputs["embed"]
    method = method_of(settings)
    check(space, method)
    memo = ShardMemo(
        folder,
        settings,
        content=digest([f.sha256 for f in embed.files if f.group in ("unsafe", "safe")]),
        depth=candidate_depth(space.safe.rows, k=settings.k, candidates=settings.candidates),
    )
    keys = TextKeys(
        unsafe=text_keys(tables.unsafe, settings.skip), safe=text_keys(tables.safe, settings.skip)
    )
    if settings.pairing is Pairing.PARTNER:
        partners = partner_rows(inputs["ingest"], embed)
        return choose_partners(space, method, keys, partners, memo=memo, progress=progress)
    return choose(space, method, keys, memo=memo, progress=progress)


def _tables(embed: StageRecord) -> PoolVectors:
    for label in ("unsafe", "safe"):
        if not embed.rows(label):
            raise InputError(f"mine: no {label} captions; add a pool to ingest with --{label}")
    unsafe, safe = (VectorTable(embed.paths(label)) for label in ("unsafe", "safe"))
    if unsafe.encoder != safe.encoder:
        raise ModelError(
            "mine: safe and unsafe vectors come from two encoders, so their cosines are "
            f"meaningless; delete {embed.folder} and run embed again"
        )
    images = VectorTable(embed.paths("images")) if embed.paths("images") else None
    if images is not None and images.encoder != safe.encoder:
        raise ModelError(
            "mine: caption and image vectors come from two encoders, so their cosines are "
            f"meaningless; delete {embed.folder} and run embed again"
        )
    return PoolVectors(unsafe=unsafe, safe=safe, images=images)
