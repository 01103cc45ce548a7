"""Selection of pairs among candidates: greedy, highest alignment first.

The category furthest below its quota takes its best candidate within all limits, until every quota
is full or its candidates are used up. Templates are varied first and repeated only when nothing
else is left. The choice is not optimised further: candidates outnumber pairs, and a blocked
candidate usually has an alternative of nearly the same alignment.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from nsfwcaps.construction.quotas import order_key
from nsfwcaps.enums import Category
from nsfwcaps.vectors.source import Rows

_ARTICLE = re.compile(r"^(?:an?|the|some) ")
_TEMPLATE_SHARE = 0.3
"""Upper limit on the share of a category's pairs with one template, while others are left."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An edit that passed every check, as the selection sees it."""

    id: str
    safe_id: str
    category: Category
    element: str
    template: str | None
    alignment: float


@dataclass(frozen=True, kw_only=True)
class FilledQuota:
    """Result of a category: its quota, the selected pairs, and the candidates blocked by limits."""

    quota: int
    candidates: int
    selected: int
    skipped: Mapping[str, int]
    """Number of blocked candidates, by limit."""

    @property
    def missing(self) -> int:
        """Number of pairs short of the quota."""
        return self.quota - self.selected


@dataclass
class _Used:
    """What has been selected so far."""

    rows: set[int] = field(default_factory=set)
    safe: set[str] = field(default_factory=set)
    elements: Counter[tuple[Category, str]] = field(default_factory=Counter)
    templates: Counter[tuple[Category, str | None]] = field(default_factory=Counter)


def select(
    candidates: Sequence[Candidate],
    quota: Mapping[Category, int],
    near: tuple[Rows, Rows],
    *,
    element_share: float,
    seed: int,
) -> tuple[list[int], dict[Category, FilledQuota]]:
    """Select among n candidates; return ascending positions, and the result per category.

    `near` holds edges `[e]`, `[e]` between near-duplicates, of which at most one is selected. No
    element exceeds `element_share` of its category's quota; each safe caption is used once.
    """
    neighbours = defaultdict(list)
    for left, right in zip(near[0].tolist(), near[1].tolist(), strict=True):
        neighbours[left].append(right)
        neighbours[right].append(left)
    queues = {category: _best_last(candidates, category, seed) for category in quota}
    later: dict[Category, list[int]] = {category: [] for category in quota}
    counts = {category: len(queue) for category, queue in queues.items()}
    used = _Used()
    selected, skipped = Counter[Category](), defaultdict[Category, Counter[str]](Counter)
    while open_ := [
        item for item in quota if (queues[item] or later[item]) and selected[item] < quota[item]
    ]:
        category = min(open_, key=lambda item: selected[item] / quota[item])
        spread = bool(queues[category])
        at = queues[category].pop() if spread else later[category].pop(0)
        candidate = candidates[at]
        if reason := _forbidden(
            candidate, neighbours[at], used, _cap(element_share, quota[category])
        ):
            skipped[category][reason] += 1
            continue
        of_template = used.templates[category, candidate.template]
        if spread and of_template >= _cap(_TEMPLATE_SHARE, quota[category]) and candidate.template:
            later[category].append(at)
            continue
        selected[category] += 1
        used.rows.add(at)
        used.safe.add(candidate.safe_id)
        used.elements[category, element_key(candidate.element)] += 1
        used.templates[category, candidate.template] += 1
    filled = {
        category: FilledQuota(
            quota=quota[category],
            candidates=counts[category],
            selected=selected[category],
            skipped=dict(sorted(skipped[category].items())),
        )
        for category in quota
    }
    return sorted(used.rows), filled


def element_key(element: str) -> str:
    """Normalise an element for comparison: without case and article."""
    return _ARTICLE.sub("", element.casefold().strip())


def _best_last(candidates: Sequence[Candidate], category: Category, seed: int) -> list[int]:
    mine = [at for at, candidate in enumerate(candidates) if candidate.category is category]
    return sorted(
        mine, key=lambda at: (candidates[at].alignment, order_key(seed, candidates[at].id))
    )


def _cap(share: float, quota: int) -> int:
    return max(1, round(share * quota))


def _forbidden(
    candidate: Candidate, neighbours: Sequence[int], used: _Used, per_element: int
) -> str | None:
    if candidate.safe_id in used.safe:
        return "safe_caption_used"
    if used.elements[candidate.category, element_key(candidate.element)] >= per_element:
        return "element_share"
    return "near_duplicate" if any(row in used.rows for row in neighbours) else None
