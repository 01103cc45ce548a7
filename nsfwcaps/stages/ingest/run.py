"""ingest: read pools; write one clean caption per content id, sorted by id.

    pools ─ read ─ clean ─▶ staged chunks, each sorted by id
          ─ merge by id range ─ check (`screen`, `judge`) ─▶ shards

Chunks bound the memory of reading (`read`), ranges that of merging (`merge`). Sorting by content
hash makes the result independent of the order of the input, of its split into files and of the
shard size. Later stages can break ties by position.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nsfwcaps import schema
from nsfwcaps.artifacts import Shard, StageFolder, StageRecord, StageResult
from nsfwcaps.captions import benchmarks
from nsfwcaps.captions import sources as pool_sources
from nsfwcaps.captions.opening import shown
from nsfwcaps.captions.options import EVERYTHING
from nsfwcaps.captions.tables.column_names import Label
from nsfwcaps.captions.tables.kept import listed
from nsfwcaps.detectors import registry
from nsfwcaps.detectors.detector import Modality
from nsfwcaps.progress import Progress
from nsfwcaps.runtime.allocator import returned_memory
from nsfwcaps.stages.ingest import judge, keep, merge, plans, safe_side
from nsfwcaps.stages.ingest.pictures import judge_pictures
from nsfwcaps.stages.ingest.pool import check_splits
from nsfwcaps.stages.ingest.pools import check_apart, pool_facts, pools_of
from nsfwcaps.stages.ingest.read import read_chunks
from nsfwcaps.stages.ingest.screen import Checks
from nsfwcaps.stages.ingest.settings import IngestSettings

VERSION = 4


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
    found = pools_of(settings)
    pools = {f"{pool.label or 'pool'}:{shown(pool.url)}": pool.digest for pool in found}
    files = [file for url in settings.exclude for file in pool_sources.expand(url, EVERYTHING)]
    return pools | {f"exclude:{shown(file)}": pool_sources.content_digest(file) for file in files}


def plan(settings: IngestSettings, inputs: Mapping[str, StageRecord]) -> Mapping[str, Any]:
    """Return the numbers of files and bytes to read."""
    pools = pools_of(settings)
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
    check_apart(settings, folder)
    pace = plans.ReadingPace(settings, folder)
    judges = judge.load(settings, folder)
    excluded = [benchmarks.load(url) for url in settings.exclude]
    chunks: list[Shard] = []
    facts = []
    with progress.task("ingest: read", None) as advance, returned_memory():
        for pool in pools_of(settings):
            with pace.reading(pool):
                read = list(read_chunks(pool, settings, folder, advance))
            facts.append(pool_facts(pool, read, settings, folder))
            chunks += read
    check_splits(settings, facts)
    images = merge.merge_images(chunks, folder, progress)
    checks = checks_of(settings, folder, judges, excluded, chunks, images, progress)
    kept = kept_columns(settings, chunks)
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


def checks_of(
    settings: IngestSettings,
    folder: StageFolder,
    judges: Mapping[Modality, judge.Judge],
    excluded: Sequence[benchmarks.BenchmarkKeys],
    chunks: Sequence[Shard],
    images: Sequence[Shard],
    progress: Progress,
) -> Checks:
    """Return what captions are checked for, once all pictures are judged.

    Raises:
        InputError: no safe caption has a picture, though a detector judges pictures.
    """
    safe, unsafe = (merge.staged_paths(chunks, label, folder) for label in Label)
    pictures = judges[Modality.IMAGE]
    return Checks(
        screen=settings.screen,
        benchmarks=excluded,
        texts=judges[Modality.TEXT],
        pictures=pictures,
        verdicts=judge_pictures(pictures, images, safe, folder, progress),
        unsafe=unsafe,
    )


def kept_columns(settings: IngestSettings, chunks: Sequence[Shard]) -> dict[str, Any]:
    """Return the fact about the kept columns; empty if none are kept.

    Raises:
        InputError: no pool has one of them.
    """
    wanted = listed(settings.keep_columns)
    return {"kept_columns": keep.column_types(wanted, chunks)} if wanted else {}


def _rows(shards: Sequence[Shard], group: str) -> int:
    return sum(file.rows for shard in shards for file in shard.files if file.group == group)
