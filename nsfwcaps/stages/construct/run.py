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
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nsfwcaps.artifacts import StageFolder, StageRecord, StageResult
from nsfwcaps.captions import sources as pool_sources
from nsfwcaps.captions.benchmarks import fold_keys, read_benchmark
from nsfwcaps.captions.opening import shown
from nsfwcaps.cards import construct as construct_card
from nsfwcaps.config import digest
from nsfwcaps.construction import plausibility, quotas
from nsfwcaps.construction.checks import EXCLUDED, Limits, check_safe
from nsfwcaps.construction.editors import load as editors
from nsfwcaps.construction.editors.editor import EditRequest
from nsfwcaps.construction.editors.openai import Manners
from nsfwcaps.construction.exclusion import image_hashes
from nsfwcaps.detectors.detector import Detector, Modality
from nsfwcaps.detectors.registry import load_all
from nsfwcaps.encoders.options import EncoderOptions
from nsfwcaps.enums import Category
from nsfwcaps.errors import ConfigError, InputError
from nsfwcaps.models import create
from nsfwcaps.progress import Progress
from nsfwcaps.stages.construct.block import Benchmark
from nsfwcaps.stages.construct.deliver import deliver, set_aside
from nsfwcaps.stages.construct.edit import EditChecker, EditRejects, embed_benchmark
from nsfwcaps.stages.construct.facts import facts_of
from nsfwcaps.stages.construct.read import (
    SafeItem,
    SafePool,
    pool_files,
    read_pool_captions,
)
from nsfwcaps.stages.construct.rounds import Rounds, select_in_rounds
from nsfwcaps.stages.construct.settings import ConstructSettings

VERSION = 5

_TRIES_RULES = 40
_TRIES_MODEL = 3
_LEAST_RULES = 2000
"""Minimum number of edits to request from the rules: few pass, and they are free."""
_BLOCK_RULES = 1024
_BLOCK_MODEL = 64

Row = dict[str, Any]


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
    raised = _edits(settings) > _tries(settings) * settings.n
    return {
        **files,
        **({"least edits": str(_LEAST_RULES)} if raised else {}),
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
        "edits at most": _edits(settings),
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
    share = quotas.shares(settings.category, settings.share)
    with progress.task("construct: read", None) as advance:
        pool = read_pool_captions(settings, advance)
    checker = _edit_checker(settings, folder, progress)
    usable, screened = _screened(pool, checker)
    at_most = _edits(settings)
    rounds = Rounds(
        order=_requests(usable, share, settings.seed),
        checker=checker,
        quota=quotas.quotas(settings.n, share),
        at_most=at_most,
        block=_BLOCK_RULES if settings.editor in editors.EMBEDDED else _BLOCK_MODEL,
        all=settings.tries is not None,
    )
    with progress.task(
        "construct: edit", min(at_most, len(usable) * len(share)), unit="edits"
    ) as advance:
        made = select_in_rounds(rounds, settings, folder, advance)
    if not made.rows:
        raise InputError(_none_passed(rounds, screened))
    facts = facts_of(pool, screened, rounds, made)
    return StageResult(
        shards=[
            deliver(settings, folder, pool, made.rows, checker.editor, facts),
            set_aside(folder, pool, screened),
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


def _tries(settings: ConstructSettings) -> int:
    if settings.tries is not None:
        return settings.tries
    return _TRIES_RULES if settings.editor in editors.EMBEDDED else _TRIES_MODEL


def _edits(settings: ConstructSettings) -> int:
    """Return the maximum number of edits; a value of tries set by the user is used exactly."""
    least = _LEAST_RULES if settings.editor in editors.EMBEDDED and settings.tries is None else 0
    return max(_tries(settings) * settings.n, least)


def _edit_checker(
    settings: ConstructSettings, folder: StageFolder, progress: Progress
) -> EditChecker:
    encoder = create.load(settings.aligner, EncoderOptions.of(settings))
    editor = editors.load(
        settings.editor,
        seed=settings.seed,
        device=settings.device,
        folder=folder.path,
        manners=Manners(
            workers=settings.parallel,
            requests_per_minute=settings.requests_per_minute,
            timeout_s=settings.timeout,
            attempts=settings.attempts,
        ),
    )

    def detectors(names: Sequence[str], option: str) -> list[Detector[str]]:
        return load_all(names, Modality.TEXT, settings.device, option=option) if names else []

    captions = sorted(
        {item for url in pool_files(settings.exclude) for item in read_benchmark(url)}
    )
    with progress.task("construct: exclude", len(captions)) as advance:
        vectors = embed_benchmark(captions, encoder, folder, advance)
    return EditChecker(
        editor=editor,
        encoder=encoder,
        detectors=detectors(settings.detector, "--detector"),
        edit_detectors=detectors(settings.edit_detector, "--edit-detector"),
        benchmark=Benchmark(keys=fold_keys(captions), vectors=vectors, digest=digest(captions)),
        limits=Limits(
            max_words=settings.max_words,
            max_added=settings.max_added,
            max_removed=0 if editor.statement.only_inserts else settings.max_removed,
        ),
        ranking=plausibility.load(settings.plausibility, settings.device),
        min_plausibility=settings.min_plausibility,
        min_alignment=settings.min_alignment,
        near_duplicate=settings.near_duplicate,
        folder=folder,
    )


def _screened(pool: SafePool, checker: EditChecker) -> tuple[list[SafeItem], EditRejects]:
    """Return the safe captions that may be edited, and those rejected before editing."""
    usable: list[SafeItem] = []
    rejected: list[Row] = []
    excluded = pool.excluded_images
    for item in pool.items:
        reason = check_safe(item.caption, checker.limits, checker.benchmark.keys)
        if reason is None:
            usable.append(item)
        elif reason == EXCLUDED:
            excluded += 1
        else:
            rejected.append({"id": item.id, "category": None, "reason": reason, "caption": None})
    return usable, EditRejects(rows=rejected, excluded=excluded)


def _requests(
    usable: Sequence[SafeItem], share: Mapping[Category, float], seed: int
) -> Iterator[EditRequest]:
    """Yield every request of the usable captions, in order."""
    for at, category in quotas.asked([item.id for item in usable], share, seed):
        yield EditRequest(usable[at].id, usable[at].caption, category)


def _none_passed(rounds: Rounds, screened: EditRejects) -> str:
    counts = Counter(screened.counts)
    for block in rounds.blocks:
        counts.update(block.rejects)
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(counts.items()))
    return (
        f"construct: none of {rounds.requests.total()} edits passed the checks ({reasons}); "
        "use another --pool or --editor, or lower --min-alignment"
    )
