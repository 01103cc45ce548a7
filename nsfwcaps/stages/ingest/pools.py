"""ingest, pools: the files of all pools that the settings name, and what each one held."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from nsfwcaps.artifacts import Shard, StageFolder
from nsfwcaps.captions import sources as pool_sources
from nsfwcaps.captions.opening import local_path, shown
from nsfwcaps.captions.tables.column_names import Label
from nsfwcaps.errors import ConfigError, InputError
from nsfwcaps.stages.ingest.advice import advice
from nsfwcaps.stages.ingest.pool import (
    Pool,
    by_reason,
    check_chosen,
    chosen_parts,
    no_captions,
    read_options,
)
from nsfwcaps.stages.ingest.settings import IngestSettings

# A share of a few rows is noise: with fewer rejects than this, a run never stops.
_FEW_REJECTS = 3


def pools_of(settings: IngestSettings) -> list[Pool]:
    """Return the files of all pools.

    Raises:
        ConfigError: no pool is named.
        InputError: a pool is not there.
    """
    named = [
        *((url, Label.SAFE) for url in settings.safe),
        *((url, Label.UNSAFE) for url in settings.unsafe),
        *((url, None) for url in settings.pool),
    ]
    if not named:
        raise ConfigError("ingest: no pool; add --safe and --unsafe, or --pool")
    options = read_options(settings)
    found = [(pool_sources.resolve(url, options), label) for url, label in named]
    check_chosen(settings, [chosen for chosen, _ in found])
    return [
        Pool(
            url=url,
            label=label,
            digest=pool_sources.content_digest(url),
            chosen=chosen_parts(chosen),
        )
        for chosen, label in found
        for url in chosen.files
    ]


def check_apart(settings: IngestSettings, folder: StageFolder) -> None:
    """Refuse a run inside a pool folder: later runs would read its files as captions.

    Raises:
        ConfigError: it is inside one.
    """
    for url in (*settings.safe, *settings.unsafe, *settings.pool):
        pool = local_path(url)
        if pool and pool.is_dir() and folder.path.resolve().is_relative_to(pool.resolve()):
            raise ConfigError(
                f"{folder.path.parent} is inside the pool {shown(url)}, so later runs would "
                "read its files as captions; choose another --workdir / --out"
            )


def pool_facts(
    pool: Pool, chunks: Sequence[Shard], settings: IngestSettings, folder: StageFolder
) -> dict[str, Any]:
    """Return the counts of a pool, from all of its chunks.

    Raises:
        InputError: it has no usable caption, or too many unusable ones.
    """
    rows = sum(chunk.rows_in for chunk in chunks)
    captions = sum(chunk.facts["captions"] for chunk in chunks)
    rejects: Counter[str] = Counter()
    for chunk in chunks:
        rejects.update(chunk.rejects)
    bad = rejects.total()
    rejected = f"{folder.path}/rejects-*.parquet"
    if captions == 0:
        raise no_captions(pool.url, rows, rejects, see=rejected)
    share = bad / (captions + bad)
    if share > settings.max_reject_share and bad >= _FEW_REJECTS:
        raise InputError(
            f"{shown(pool.url)}: {bad} of {captions + bad} captions are unusable "
            f"({share:.1%}: {by_reason(rejects)}), more than max_reject_share allows "
            f"({settings.max_reject_share:.1%}); see {rejected} for the reasons, then "
            f"{advice(rejects, otherwise='fix the pool')}, or raise --max-reject-share"
        )
    return {
        "name": pool.name,
        "label": pool.label.value if pool.label else "by column",
        "sha256": pool.digest,
        "rows": rows,
        "captions": captions,
        "hidden_characters": sum(chunk.facts["hidden_characters"] for chunk in chunks),
        "rejects": dict(sorted(rejects.items())),
        "several_categories": sum(chunk.facts["several_categories"] for chunk in chunks),
        "columns": chunks[-1].facts["columns"] if chunks else {},
        "chosen": list(pool.chosen),
    }
