"""mine: find the closest safe counterparts of every unsafe caption; write pairs of ids.

    vectors ─ search ─▶ candidates [u, depth] ─ rank ─▶ usable, best first ─ take ─▶ pairs, rejects

`nsfwcaps.mining` selects the pairs, on arrays. This package handles the files: it reads the vectors
of embed, stores blocks as shards (`shards`) and writes the pairs (`write`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nsfwcaps.artifacts import StageFolder, StageRecord, StageResult
from nsfwcaps.enums import Pairing
from nsfwcaps.machine.known_rates import device_name
from nsfwcaps.mining.pairs import MinedPairs, choose, choose_partners
from nsfwcaps.progress import Progress
from nsfwcaps.runtime.device import torch_device
from nsfwcaps.stages.mine.partners import partner_rows
from nsfwcaps.stages.mine.pools import PoolVectors, pictured, read_vectors
from nsfwcaps.stages.mine.prepare import prepared
from nsfwcaps.stages.mine.settings import MineSettings
from nsfwcaps.stages.mine.write import Writer

VERSION = 3


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
        InputError: a side has no captions, or no pictures where they are to be compared.
        ModelError: the vectors come from different encoders.
    """
    tables = read_vectors(inputs["embed"])
    mined = _choose(settings, folder, inputs, tables, progress)
    writer = Writer(settings, folder, tables, mined, inputs)
    with progress.task("mine: pairs", tables.unsafe.rows) as advance:
        shards = writer.write(advance)
    return StageResult(
        shards=shards,
        facts={
            **mined.facts,
            # Partners are no choice by similarity.
            "similarity": None
            if settings.pairing is Pairing.PARTNER
            else settings.similarity.value,
            "pairs": sum(shard.rows_out for shard in shards),
            "pairs_missing": writer.missing + settings.k * len(mined.without_picture),
            **({"pictures": pictured(tables)} if tables.images else {}),
        },
    )


def _choose(
    settings: MineSettings,
    folder: StageFolder,
    inputs: Mapping[str, StageRecord],
    tables: PoolVectors,
    progress: Progress,
) -> MinedPairs:
    embed = inputs["embed"]
    ready = prepared(settings, folder, embed, tables)
    space, method, of, memo = ready.space, ready.method, ready.compared, ready.memo
    if settings.pairing is Pairing.PARTNER:
        partners = partner_rows(inputs["ingest"], embed)
        return choose_partners(space, method, of, partners, memo=memo, progress=progress)
    return choose(space, method, of, memo=memo, progress=progress)
