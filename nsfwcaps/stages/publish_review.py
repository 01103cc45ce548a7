"""publish, the review: which pairs stay, what people say of them, and the captions they fixed.

Rejected pairs are left out. What mining and grading measured stays as it was measured, but for
what a new caption makes untrue: its cosine is computed anew, the rest is null.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from nsfwcaps import schema
from nsfwcaps.artifacts import StageRecord
from nsfwcaps.captions.normalize import TEXT_DIGITS
from nsfwcaps.config import digest
from nsfwcaps.errors import ReviewError
from nsfwcaps.review.answers import RIGHT, Choice
from nsfwcaps.review.outcomes import State
from nsfwcaps.settings import PublishSettings
from nsfwcaps.stages.publish_captions import captions_of
from nsfwcaps.stages.publish_fixes import Fixed, with_cosines
from nsfwcaps.stages.publish_split import Splits
from nsfwcaps.stages.publish_verdicts import Judgement, Review
from nsfwcaps.tables import read_tables

ACCEPTED, FIXED, REJECTED = "accepted", "fixed", "rejected"
UNKNOWN = "not in the review"
OUTCOMES = (ACCEPTED, FIXED, REJECTED, State.DISPUTED.value, State.PENDING.value, UNKNOWN)
_IN_ANOTHER_SPLIT = "review: fixed caption is in another split"
_THERE_ALREADY = "review: fixed pair is there already"


@dataclass(frozen=True, kw_only=True)
class Mark:
    """What a review makes of a pair."""

    outcome: str
    """accepted, fixed, disputed, pending or rejected."""
    verdicts: list[dict[str, Any]]
    category: str | None
    """The category that it should be, where it should be another."""
    fixed: Fixed | None


@dataclass(frozen=True, kw_only=True)
class Joined:
    """A review, joined to the pairs `[p]` of the grade stage."""

    kept: npt.NDArray[np.bool_]
    left_out: list[tuple[str, str]]
    """Pair id and reason of the others."""
    marks: Mapping[str, Mark]
    """By pair id; pairs that the review has not have none."""
    facts: dict[str, Any]
    digest: str
    """Of all that it changes."""


def join(
    review: Review, settings: PublishSettings, inputs: Mapping[str, StageRecord], splits: Splits
) -> Joined:
    """Join a review to the pairs.

    Raises:
        ReviewError: no pair would be left.
    """
    ingest, grade = inputs["ingest"], inputs["grade"]
    columns = ["pair_id", "unsafe_id", "safe_id"]
    pairs = pa.concat_tables(read_tables(grade.paths("pairs"), columns)).to_pylist()
    followed: set[str] = set()
    marks = _marks(review, ingest, pairs, followed)
    reasons = [_reason(marks.get(row["pair_id"]), settings) for row in pairs]
    _check_fixes(pairs, marks, splits, reasons)
    kept = np.array([reason is None for reason in reasons], dtype=np.bool_)
    ids = [row["pair_id"] for row in pairs]
    left_out = [(name, why) for name, why in zip(ids, reasons, strict=True) if why is not None]
    if not kept.any():
        counts = Counter(reason for _, reason in left_out)
        said = ", ".join(f"{count} {reason}" for reason, count in sorted(counts.items()))
        raise ReviewError(
            f"publish: the review leaves no pair ({said}); judge more, or publish "
            "without --only-accepted"
        )
    staying = {name for name, stays in zip(ids, kept.tolist(), strict=True) if stays}
    fixed = {name: mark.fixed for name, mark in marks.items() if mark.fixed and name in staying}
    fixed, lacking = with_cosines(fixed, ingest, inputs["embed"])
    marks = {name: Mark(**{**vars(mark), "fixed": fixed.get(name)}) for name, mark in marks.items()}
    outcomes = Counter(marks[name].outcome if name in marks else UNKNOWN for name in ids)
    known = {*ids, *followed}
    facts = {
        "log": {"rows": review.rows, "hash": review.hash},
        "data": review.data,
        "outcomes": {name: outcomes[name] for name in OUTCOMES},
        "left_out": dict(sorted(Counter(reason for _, reason in left_out).items())),
        "not_in_data_set": sum(
            bool(judgement.verdicts) and name not in known
            for name, judgement in review.judgements.items()
        ),
        "categories_corrected": sum(
            mark.category is not None for name, mark in marks.items() if name in staying
        ),
        "fixed_without_sim_text": lacking,
    }
    changes = {name: asdict(mark) for name, mark in sorted(marks.items())}
    return Joined(
        kept=kept,
        left_out=left_out,
        marks=marks,
        facts=facts,
        digest=digest([facts, left_out, changes]),
    )


def _marks(
    review: Review, ingest: StageRecord, pairs: Sequence[Mapping[str, str]], followed: set[str]
) -> dict[str, Mark]:
    known = [(row, review.judgements.get(row["pair_id"])) for row in pairs]
    judged = [(row, judgement) for row, judgement in known if judgement is not None]
    to_fix = [row for row, judgement in judged if judgement.choice is Choice.FIX]
    before = _before(ingest, to_fix)
    return {
        row["pair_id"]: _mark(review, judgement, before.get(row["pair_id"]), followed)
        for row, judgement in judged
    }


def _mark(review: Review, judgement: Judgement, fixed: Fixed | None, followed: set[str]) -> Mark:
    """What was said of a pair, and then of the pair that it became when it was fixed.

    A data set that was published with fixes and reviewed once more has those under new ids, while
    the pairs that are mined keep the old ones.
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
        if judgement.state is not State.PENDING:
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
    """Pairs as they are now, by id."""
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


def _reason(mark: Mark | None, settings: PublishSettings) -> str | None:
    """Why a pair is left out, or None."""
    outcome = UNKNOWN if mark is None else mark.outcome
    if outcome == REJECTED or (settings.only_accepted and outcome not in (ACCEPTED, FIXED)):
        return f"review: {outcome}"
    return None


def _check_fixes(
    pairs: Sequence[Mapping[str, str]],
    marks: Mapping[str, Mark],
    splits: Splits,
    reasons: list[str | None],
) -> None:
    """Leave out fixed pairs that would be there twice, or bring a caption into a second split."""
    fixed: list[tuple[int, Fixed]] = []
    there: set[str] = set()
    split_of: dict[str, str] = {}
    of_pair = splits.of_pair.tolist()
    for number, (row, reason) in enumerate(zip(pairs, reasons, strict=True)):
        if reason is not None:
            continue
        mark = marks.get(row["pair_id"])
        if mark is not None and mark.fixed is not None:
            fixed.append((number, mark.fixed))
            continue
        there.add(row["pair_id"])
        for side in ("unsafe_id", "safe_id"):
            split_of[row[side][:TEXT_DIGITS]] = of_pair[number]
    for number, pair in fixed:
        texts = [name[:TEXT_DIGITS] for name in (pair.unsafe_id, pair.safe_id)]
        split = of_pair[number]
        if pair.pair_id in there:
            reasons[number] = _THERE_ALREADY
        elif any(split_of.get(text, split) != split for text in texts):
            reasons[number] = _IN_ANOTHER_SPLIT
        else:
            there.add(pair.pair_id)
            split_of |= dict.fromkeys(texts, split)


def apply(joined: Joined, columns: Mapping[str, Any]) -> dict[str, Any]:
    """Columns of the published table `[r]` as the review has them, and its own."""
    ids: list[str] = columns["pair_id"].to_pylist()
    marks = [joined.marks.get(name) for name in ids]
    fixed = {n: mark.fixed for n, mark in enumerate(marks) if mark is not None and mark.fixed}
    changed: dict[str, dict[int, Any]] = {
        "category": {n: m.category for n, m in enumerate(marks) if m is not None and m.category}
    }
    for name in ("pair_id", "unsafe_id", "safe_id", "unsafe_caption", "safe_caption", "sim_text"):
        changed[name] = {row: getattr(pair, name) for row, pair in fixed.items()}
    for name in ("score", "margin"):
        changed[name] = dict.fromkeys(fixed)
    for name in ("sim_cross", "density"):  # of the unsafe caption, whatever the safe one says
        changed[name] = dict.fromkeys(row for row, pair in fixed.items() if pair.unsafe_changed)
    out = {name: _changed(column, changed.get(name, {})) for name, column in columns.items()}
    out["review_outcome"] = pa.array([m and m.outcome for m in marks], pa.string())
    out["review_verdicts"] = pa.array([m and m.verdicts for m in marks], pa.list_(schema.VERDICT))
    before = [name if row in fixed else None for row, name in enumerate(ids)]
    out["review_original_pair_id"] = pa.array(before, pa.string())
    return out


def _changed(column: Any, values: Mapping[int, Any]) -> Any:
    if not values:
        return column
    items = column.to_pylist()
    for row, value in values.items():
        items[row] = value
    return pa.array(items, column.type)
