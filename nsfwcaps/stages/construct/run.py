"""construct: write unsafe counterparts of the captions of a safe pool, as two pools.

    pool ─ read ─ check ─ edit, check (`edit`) and select in `rounds` ─▶ safe/*.parquet
                                                                        unsafe/*.parquet
                                                                        README.md

`safe` holds the id, the caption and its image, if any. `unsafe` holds the edited caption with its
category, the id of its partner, the element, the editor and the alignment. The stage `illustrate`
draws images for the unsafe side.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from functools import partial
from typing import Any

from nsfwcaps.artifacts import StageFolder, StageRecord, StageResult
from nsfwcaps.captions import sources as pool_sources
from nsfwcaps.captions.opening import shown
from nsfwcaps.cards import construct as construct_card
from nsfwcaps.construction import plausibility, quotas
from nsfwcaps.construction.editors import load as editors
from nsfwcaps.construction.exclusion import image_hashes
from nsfwcaps.errors import ConfigError, InputError
from nsfwcaps.models import create
from nsfwcaps.progress import Progress
from nsfwcaps.stages.construct.deliver import deliver, set_aside
from nsfwcaps.stages.construct.edit import EditRejects
from nsfwcaps.stages.construct.facts import facts_of
from nsfwcaps.stages.construct.means import load_checker, with_benchmark
from nsfwcaps.stages.construct.read import pool_files, read_pool_captions
from nsfwcaps.stages.construct.requests import (
    LEAST_RULES,
    benchmark_captions,
    most_edits,
    requests_of,
    rounds_of,
    screened,
    tries,
)
from nsfwcaps.stages.construct.rounds import Rounds, select_in_rounds, selected
from nsfwcaps.stages.construct.settings import ConstructSettings

VERSION = 5


def sources(settings: ConstructSettings) -> Mapping[str, str]:
    """Return digests of the pool, the comparison files, editor, encoder and card template."""
    _check(settings)
    files = {
        f"{name}:{shown(url)}": pool_sources.content_digest(url)
        for name, urls in (
            ("pool", pool_files(settings.pool)),
            ("exclude", pool_files(settings.exclude)),
            ("image_hashes", settings.image_hashes),
        )
        for url in urls
    }
    raised = most_edits(settings) > tries(settings) * settings.n
    return {
        **files,
        **({"least edits": str(LEAST_RULES)} if raised else {}),
        "editor": editors.source_digest(settings.editor, settings.seed),
        "aligner": create.source_digest(settings.aligner),
        "plausibility": plausibility.digest_of(settings.plausibility),
        "card": construct_card.template_digest(),
    }


def plan(settings: ConstructSettings, inputs: Mapping[str, StageRecord]) -> Mapping[str, Any]:
    """Return the files and bytes to read, and the maximum number of edits to request."""
    _check(settings)
    sizes = [pool_sources.size_bytes(url) for url in pool_files(settings.pool)]
    return {
        "pool_files": len(sizes),
        "input_bytes": sum(sizes),
        "edits at most": most_edits(settings),
    }


def run(
    settings: ConstructSettings,
    folder: StageFolder,
    inputs: Mapping[str, StageRecord],
    progress: Progress,
) -> StageResult:
    """Read the pool, edit it block by block, and select the pairs.

    Raises:
        InputError: no edit passed the checks.
    """
    folder.refuse_foreign_pools(("safe", "unsafe"))
    with progress.task("construct: read", None) as advance:
        pool = read_pool_captions(settings, advance)
    captions = benchmark_captions(settings)
    checker = load_checker(settings, folder, captions)
    with progress.task("construct: exclude", len(captions)) as advance:
        checker = with_benchmark(checker, captions, advance)
    usable, unfit = screened(pool, settings, captions)
    rounds = rounds_of(settings, requests_of(settings, usable), checker.block)
    select = partial(selected, settings=settings, folder=folder)
    total = min(rounds.at_most, len(usable) * len(rounds.quota))
    with progress.task("construct: edit", total, unit="edits") as advance:
        made = select_in_rounds(rounds, select, advance)
    if not made.rows:
        raise InputError(_none_passed(rounds, unfit))
    facts = facts_of(pool, unfit, checker, rounds, made)
    return StageResult(
        shards=[
            deliver(settings, folder, pool, made.rows, checker.editor, facts),
            set_aside(folder, pool, unfit),
            *(block.only_rejects() for block in rounds.blocks),
        ],
        facts=facts,
    )


def _check(settings: ConstructSettings) -> None:
    """Validate the settings before any input is read.

    Raises:
        ConfigError: no pool, or editor, categories and shares are incompatible.
        InputError: a list of image hashes is invalid.
    """
    if not settings.pool:
        raise ConfigError("construct: no pool; add --pool FILE")
    editors.check(settings.editor, settings.category)
    plausibility.check(settings.plausibility)
    quotas.shares(settings.category, settings.share)
    image_hashes(settings.image_hashes)


def _none_passed(rounds: Rounds, unfit: EditRejects) -> str:
    counts = Counter(unfit.counts)
    for block in rounds.blocks:
        counts.update(block.rejects)
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(counts.items()))
    return (
        f"construct: none of {rounds.requests.total()} edits passed the checks ({reasons}); "
        "use another --pool or --editor, or lower --min-alignment"
    )
