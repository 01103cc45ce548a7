"""construct, step 2: which captions may be edited, and which edits are requested in what order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from nsfwcaps.artifacts import Shard
from nsfwcaps.captions.benchmarks import fold_keys, read_benchmark
from nsfwcaps.construction import quotas
from nsfwcaps.construction.checks import EXCLUDED, Limits, check_safe
from nsfwcaps.construction.editors import load as editors
from nsfwcaps.construction.editors.editor import EditRequest
from nsfwcaps.progress import Advance
from nsfwcaps.stages.construct.edit import EditRejects
from nsfwcaps.stages.construct.read import SafeItem, SafePool, pool_files
from nsfwcaps.stages.construct.rounds import Rounds
from nsfwcaps.stages.construct.settings import ConstructSettings

LEAST_RULES = 2000
"""Minimum number of edits to request from the rules: few pass, and they are free."""
_TRIES_RULES = 40
_TRIES_MODEL = 3
_BLOCK_RULES = 1024
_BLOCK_MODEL = 64

Row = dict[str, Any]


def tries(settings: ConstructSettings) -> int:
    """Return the number of edits to request for each wanted pair."""
    if settings.tries is not None:
        return settings.tries
    return _TRIES_RULES if settings.editor in editors.EMBEDDED else _TRIES_MODEL


def most_edits(settings: ConstructSettings) -> int:
    """Return the maximum number of edits; a value of tries set by the user is used exactly."""
    least = LEAST_RULES if settings.editor in editors.EMBEDDED and settings.tries is None else 0
    return max(tries(settings) * settings.n, least)


def benchmark_captions(settings: ConstructSettings) -> list[str]:
    """Return the captions that must not leak into the pairs, sorted.

    Raises:
        InputError: a benchmark file cannot be read.
    """
    return sorted({item for url in pool_files(settings.exclude) for item in read_benchmark(url)})


def limits_of(settings: ConstructSettings, *, only_inserts: bool) -> Limits:
    """Return the limits of an edit; an editor that only inserts removes no word."""
    return Limits(
        max_words=settings.max_words,
        max_added=settings.max_added,
        max_removed=0 if only_inserts else settings.max_removed,
    )


def screened(
    pool: SafePool, settings: ConstructSettings, benchmark: Sequence[str]
) -> tuple[list[SafeItem], EditRejects]:
    """Return the safe captions that may be edited, and those rejected before editing."""
    limits, keys = limits_of(settings, only_inserts=False), fold_keys(benchmark)
    usable: list[SafeItem] = []
    rejected: list[Row] = []
    excluded = pool.excluded_images
    for item in pool.items:
        reason = check_safe(item.caption, limits, keys)
        if reason is None:
            usable.append(item)
        elif reason == EXCLUDED:
            excluded += 1
        else:
            rejected.append({"id": item.id, "category": None, "reason": reason, "caption": None})
    return usable, EditRejects(rows=rejected, excluded=excluded)


def requests_of(settings: ConstructSettings, usable: Sequence[SafeItem]) -> Iterator[EditRequest]:
    """Yield every request of the usable captions, in order."""
    share = quotas.shares(settings.category, settings.share)
    for at, category in quotas.asked([item.id for item in usable], share, settings.seed):
        yield EditRequest(usable[at].id, usable[at].caption, category)


def rounds_of(
    settings: ConstructSettings,
    order: Iterator[EditRequest],
    edit: Callable[[Sequence[EditRequest], Advance], Shard],
) -> Rounds:
    """Return the rounds in which the edits are requested."""
    share = quotas.shares(settings.category, settings.share)
    return Rounds(
        order=order,
        edit=edit,
        quota=quotas.quotas(settings.n, share),
        at_most=most_edits(settings),
        block=_BLOCK_RULES if settings.editor in editors.EMBEDDED else _BLOCK_MODEL,
        all=settings.tries is not None,
    )
