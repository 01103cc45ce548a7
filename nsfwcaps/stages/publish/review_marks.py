"""publish, review marks: the outcome of each pair, followed through its fixes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from nsfwcaps.artifacts import StageRecord
from nsfwcaps.review.export.read import Judgement, Review
from nsfwcaps.review.log.answers import RIGHT, Choice
from nsfwcaps.review.log.outcomes import PairState
from nsfwcaps.stages.publish.captions import captions_of
from nsfwcaps.stages.publish.fixes import Fixed

ACCEPTED, FIXED, REJECTED = "accepted", "fixed", "rejected"


@dataclass(frozen=True, kw_only=True)
class Mark:
    """Outcome of the review of a pair."""

    outcome: str
    """accepted, fixed, disputed, pending or rejected."""
    verdicts: list[dict[str, Any]]
    category: str | None
    """Corrected category, or None if it was not corrected."""
    fixed: Fixed | None


def marks_of(
    review: Review, ingest: StageRecord, pairs: Sequence[Mapping[str, str]]
) -> tuple[dict[str, Mark], set[str]]:
    """Return the marks of the pairs by id, and the ids of fixed pairs in the review."""
    followed: set[str] = set()
    known = [(row, review.judgements.get(row["pair_id"])) for row in pairs]
    judged = [(row, judgement) for row, judgement in known if judgement is not None]
    to_fix = [row for row, judgement in judged if judgement.choice is Choice.FIX]
    before = _before(ingest, to_fix)
    marks = {
        row["pair_id"]: _mark(review, judgement, before.get(row["pair_id"]), followed)
        for row, judgement in judged
    }
    return marks, followed


def _mark(review: Review, judgement: Judgement, fixed: Fixed | None, followed: set[str]) -> Mark:
    """Return the mark of a pair, combined with the verdicts on its fixed version.

    If a data set was published with fixes and reviewed again, its fixed pairs have new ids there;
    the mined pairs keep their old ids.
    """
    verdicts = list(judgement.verdicts)
    outcome, category = _outcome(judgement), _correction(judgement)
    seen: set[str] = set()
    while judgement.choice is Choice.FIX and fixed is not None:
        fixed = fixed.again(judgement.unsafe_caption, judgement.safe_caption)
        next_ = review.judgements.get(fixed.pair_id)
        if next_ is None or fixed.pair_id in seen:
            break
        seen.add(fixed.pair_id)
        judgement = next_
        verdicts += judgement.verdicts
        if judgement.state is not PairState.PENDING:
            outcome = _outcome(judgement)
            outcome = FIXED if outcome == ACCEPTED else outcome
            category = _correction(judgement) or category
    followed |= seen
    return Mark(outcome=outcome, verdicts=verdicts, category=category, fixed=fixed)


def _outcome(judgement: Judgement) -> str:
    names = {Choice.ACCEPT: ACCEPTED, Choice.FIX: FIXED, Choice.REJECT: REJECTED}
    return judgement.state.value if judgement.choice is None else names[judgement.choice]


def _correction(judgement: Judgement) -> str | None:
    return None if judgement.category == RIGHT else judgement.category


def _before(ingest: StageRecord, to_fix: Sequence[Mapping[str, str]]) -> dict[str, Fixed]:
    """Return the pairs before their fixes, by id."""
    if not to_fix:
        return {}
    sides = {}
    for side in ("unsafe", "safe"):
        ids = pa.chunked_array([pa.array([row[f"{side}_id"] for row in to_fix], pa.string())])
        sides[side] = captions_of(ingest, side, ids, ["caption", "image_sha256"]).to_pylist()
    return {
        row["pair_id"]: Fixed(
            unsafe_caption=unsafe["caption"],
            safe_caption=safe["caption"],
            unsafe_image_sha256=unsafe["image_sha256"],
            safe_image_sha256=safe["image_sha256"],
        )
        for row, unsafe, safe in zip(to_fix, sides["unsafe"], sides["safe"], strict=True)
    }
