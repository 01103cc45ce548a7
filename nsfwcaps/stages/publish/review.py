"""publish, review: apply verdicts and fixed captions to the pairs.

Rejected pairs are excluded. Measurements of mine and grade are kept, except those that a fixed
caption invalidates: its cosine is recomputed, the others become null.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from nsfwcaps import schema
from nsfwcaps.artifacts import Shard, ShardTables, StageFolder, StageRecord
from nsfwcaps.captions.normalize import TEXT_DIGITS
from nsfwcaps.config import digest
from nsfwcaps.errors import ReviewError
from nsfwcaps.review.export.read import Review
from nsfwcaps.review.log.outcomes import PairState
from nsfwcaps.stages.publish.fixes import Fixed, with_cosines
from nsfwcaps.stages.publish.review_marks import ACCEPTED, FIXED, REJECTED, Mark, marks_of
from nsfwcaps.stages.publish.settings import PublishSettings
from nsfwcaps.stages.publish.split import Splits
from nsfwcaps.tables import read_tables

UNKNOWN = "not in the review"
OUTCOMES = (ACCEPTED, FIXED, REJECTED, PairState.DISPUTED.value, PairState.PENDING.value, UNKNOWN)
_PREFIX = "review: "
_IN_ANOTHER_SPLIT = f"{_PREFIX}fixed caption is in another split"
_THERE_ALREADY = f"{_PREFIX}fixed pair is there already"


@dataclass(frozen=True, kw_only=True)
class Joined:
    """A review joined to the pairs `[p]` of the grade stage."""

    kept: npt.NDArray[np.bool_]
    left_out: list[tuple[str, str]]
    """Pair id and reason of the excluded pairs."""
    marks: Mapping[str, Mark]
    """By pair id; absent for pairs not in the review."""
    facts: dict[str, Any]
    digest: str
    """Digest of everything that the review changes."""


def join(
    review: Review, settings: PublishSettings, inputs: Mapping[str, StageRecord], splits: Splits
) -> Joined:
    """Join a review to the pairs.

    Raises:
        ReviewError: the review excludes every pair.
    """
    ingest, grade = inputs["ingest"], inputs["grade"]
    columns = ["pair_id", "unsafe_id", "safe_id"]
    pairs = pa.concat_tables(read_tables(grade.paths("pairs"), columns)).to_pylist()
    marks, followed = marks_of(review, ingest, pairs)
    reasons = [_reason(marks.get(row["pair_id"]), settings) for row in pairs]
    _check_fixes(pairs, marks, splits, reasons)
    ids = [row["pair_id"] for row in pairs]
    left_out = [(name, why) for name, why in zip(ids, reasons, strict=True) if why is not None]
    counts = dict(sorted(Counter(reason for _, reason in left_out).items()))
    if len(left_out) == len(ids):
        said = ", ".join(f"{count} {why.removeprefix(_PREFIX)}" for why, count in counts.items())
        raise ReviewError(
            f"publish: the review excludes every pair ({said}); review more pairs, or publish "
            "without --only-accepted"
        )
    gone = {name for name, _ in left_out}
    fixed = {name: mark.fixed for name, mark in marks.items() if mark.fixed and name not in gone}
    fixed, lacking = with_cosines(fixed, ingest, inputs["embed"])
    marks = {name: replace(mark, fixed=fixed.get(name)) for name, mark in marks.items()}
    outcomes = Counter(marks[name].outcome if name in marks else UNKNOWN for name in ids)
    facts = {
        "log": {"rows": review.rows, "hash": review.hash, "first": review.first},
        "data": review.data,
        "outcomes": {name: outcomes[name] for name in OUTCOMES},
        "known": _known(review, ids),
        "left_out": counts,
        "not_in_data_set": _foreign(review, {*ids, *followed}),
        "categories_corrected": sum(
            mark.category is not None for name, mark in marks.items() if name not in gone
        ),
        "fixed_without_sim_text": lacking,
    }
    return Joined(
        kept=np.array([reason is None for reason in reasons], dtype=np.bool_),
        left_out=left_out,
        marks=marks,
        facts=facts,
        digest=digest([facts, left_out, _digest(marks)]),
    )


def _digest(marks: Mapping[str, Mark]) -> str:
    """Return a digest of the marks; `config.digest` takes ten times as long."""
    whole = [
        (name, mark.outcome, mark.category, mark.verdicts, mark.fixed and asdict(mark.fixed))
        for name, mark in sorted(marks.items())
    ]
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


def _known(review: Review, ids: Sequence[str]) -> int:
    """Return the number of pairs decided by a gold answer of a lead."""
    judgements = (review.judgements.get(name) for name in ids)
    return sum(found is not None and found.state is PairState.KNOWN for found in judgements)


def _foreign(review: Review, known: set[str]) -> int:
    """Return the number of reviewed pairs that are not in this data set."""
    return sum(
        bool(judgement.verdicts) and name not in known
        for name, judgement in review.judgements.items()
    )


def _reason(mark: Mark | None, settings: PublishSettings) -> str | None:
    """Return why a pair is excluded, or None."""
    outcome = UNKNOWN if mark is None else mark.outcome
    if outcome == REJECTED or (settings.only_accepted and outcome not in (ACCEPTED, FIXED)):
        return f"{_PREFIX}{outcome}"
    return None


def _check_fixes(
    pairs: Sequence[Mapping[str, str]],
    marks: Mapping[str, Mark],
    splits: Splits,
    reasons: list[str | None],
) -> None:
    """Exclude fixed pairs that duplicate a pair or put a caption into a second split."""
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


def rejects(folder: StageFolder, release: str, joined: Joined) -> Shard:
    """Write the ids of the pairs that the review excludes, with reasons."""

    def tables() -> ShardTables:
        names, reasons = zip(*joined.left_out, strict=True)
        table = pa.table({"id": names, "reason": reasons}, schema=schema.REJECTED_IDS)
        return ShardTables(
            tables={("rejects", "rejects-review"): table},
            rows_in=table.num_rows,
            rejects=dict(sorted(Counter(reasons).items())),
        )

    return folder.make_shard(digest([release, "rejects"]), tables)


def apply(joined: Joined, columns: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of the published table `[r]` with the review applied, and its own."""
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
    for name in ("sim_cross", "density"):  # depend on the unsafe caption, not on the safe one
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
