"""ingest: read pools; write one clean caption per content id, sorted by id.

    pools ─ read ─ clean ─▶ staged chunks, each sorted by id
          ─ merge by id range ─ check (`screen`, `judge`) ─▶ shards

Chunks bound the memory of reading (`read`), ranges that of merging (`merge`). Sorting by content
hash makes the result independent of the order of the input, of its split into files and of the
shard size. Later stages can break ties by position.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from nsfwcaps import schema
from nsfwcaps.artifacts import Shard, StageFolder, StageRecord, StageResult
from nsfwcaps.captions import benchmarks
from nsfwcaps.captions import sources as pool_sources
from nsfwcaps.captions.opening import local_path, shown
from nsfwcaps.captions.options import EVERYTHING
from nsfwcaps.captions.tables.column_names import Label
from nsfwcaps.captions.tables.kept import listed
from nsfwcaps.detectors import registry
from nsfwcaps.detectors.detector import Modality
from nsfwcaps.errors import ConfigError, InputError
from nsfwcaps.progress import Progress
from nsfwcaps.runtime.allocator import returned_memory
from nsfwcaps.stages.ingest import judge, keep, merge, plans, safe_side
from nsfwcaps.stages.ingest.advice import advice
from nsfwcaps.stages.ingest.pictures import judge_pictures
from nsfwcaps.stages.ingest.pool import (
    Pool,
    by_reason,
    check_chosen,
    check_splits,
    chosen_parts,
    no_captions,
    read_options,
)
from nsfwcaps.stages.ingest.read import read_chunks
from nsfwcaps.stages.ingest.screen import Checks
from nsfwcaps.stages.ingest.settings import IngestSettings

VERSION = 4

# A share of a few rows is noise: with fewer rejects than this, a run never stops.
_FEW_REJECTS = 3


def check(recipe: Mapping[str, Any], *, reading: bool) -> None:
    """Check the names of the detectors before any stage runs.

    Raises:
        ConfigError: a detector is unknown, or its threshold is invalid.
        ModelError: a detector's package or file is missing.
    """
    for name in recipe["ingest"].safe_detector:
        registry.check(name, None, option=judge.OPTION)


def sources(settings: IngestSettings) -> Mapping[str, str]:
    """Return the content digest of every pool file and benchmark file."""
    pools = {f"{pool.label or 'pool'}:{shown(pool.url)}": pool.digest for pool in _pools(settings)}
    files = [file for url in settings.exclude for file in pool_sources.expand(url, EVERYTHING)]
    return pools | {f"exclude:{shown(file)}": pool_sources.content_digest(file) for file in files}


def plan(settings: IngestSettings, inputs: Mapping[str, StageRecord]) -> Mapping[str, Any]:
    """Return the numbers of files and bytes to read."""
    pools = _pools(settings)
    sizes = [pool_sources.size_bytes(pool.url) for pool in pools]
    work = plans.work(pools, settings)
    return {"pool_files": len(sizes), "input_bytes": sum(sizes), "work": work}


def run(
    settings: IngestSettings,
    folder: StageFolder,
    inputs: Mapping[str, StageRecord],
    progress: Progress,
) -> StageResult:
    """Read every pool into staged chunks, then merge and check the chunks by id range.

    Raises:
        ConfigError: no pool, an unknown detector, or the run is inside a pool folder.
        InputError: a pool has too many unusable captions, or a side has no caption left.
        ModelError: a detector cannot be loaded.
    """
    _check_apart(settings, folder)
    pace = plans.ReadingPace(settings, folder)
    judges = judge.load(settings, folder)
    excluded = [benchmarks.load(url) for url in settings.exclude]
    chunks: list[Shard] = []
    facts = []
    with progress.task("ingest: read", None) as advance, returned_memory():
        for pool in _pools(settings):
            with pace.reading(pool):
                read = list(read_chunks(pool, settings, folder, advance))
            facts.append(_pool_facts(pool, read, settings, folder))
            chunks += read
    check_splits(settings, facts)
    images = merge.merge_images(chunks, folder, progress)
    safe, unsafe = (merge.staged_paths(chunks, label, folder) for label in Label)
    pictures = judges[Modality.IMAGE]
    checks = Checks(
        screen=settings.screen,
        benchmarks=excluded,
        texts=judges[Modality.TEXT],
        pictures=pictures,
        verdicts=judge_pictures(pictures, images, safe, folder, progress),
        unsafe=unsafe,
    )
    wanted = listed(settings.keep_columns)
    kept = {"kept_columns": keep.column_types(wanted, chunks)} if wanted else {}
    captions = merge.merge_captions(
        chunks,
        folder,
        progress,
        checks,
        shard_rows=settings.shard_rows,
        of=schema.captions(with_kept=bool(kept)),
    )
    counted = {label: _rows(captions, label) for label in Label}
    conflicts, rejected = (
        sum(shard.facts[name] for shard in captions) for name in ("conflicts", "rejected")
    )
    result = StageResult(
        shards=[*captions, *images, *(chunk.only_rejects() for chunk in chunks)],
        facts={
            "captions": {label.value: count for label, count in counted.items()},
            "images": _rows(images, "images"),
            "copies_folded": sum(fact["captions"] for fact in facts)
            - sum(counted.values())
            - conflicts
            - rejected,
            "safe_dropped_as_also_unsafe": conflicts,
            "safe_side": safe_side.facts(checks, captions),
            "benchmarks": safe_side.benchmark_facts(checks, captions),
            "pools": facts,
            **kept,
        },
        rates=pace.rates([fact["captions"] for fact in facts]),
    )
    safe_side.check_not_empty(result.facts, captions)
    return result


def _rows(shards: Sequence[Shard], group: str) -> int:
    return sum(file.rows for shard in shards for file in shard.files if file.group == group)


def _pools(settings: IngestSettings) -> list[Pool]:
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


def _check_apart(settings: IngestSettings, folder: StageFolder) -> None:
    """Refuse a run inside a pool folder: later runs would read its files as captions."""
    for url in (*settings.safe, *settings.unsafe, *settings.pool):
        pool = local_path(url)
        if pool and pool.is_dir() and folder.path.resolve().is_relative_to(pool.resolve()):
            raise ConfigError(
                f"{folder.path.parent} is inside the pool {shown(url)}, so later runs would "
                "read its files as captions; choose another --workdir / --out"
            )


def _pool_facts(
    pool: Pool, chunks: list[Shard], settings: IngestSettings, folder: StageFolder
) -> dict[str, Any]:
    """Return the counts of a pool; raise InputError if it is empty or too much is unusable."""
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
