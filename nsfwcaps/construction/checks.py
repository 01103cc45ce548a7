"""Checks of an edit that need its words alone; those by detectors and vectors come after.

Each gives the reason for which an edit is set aside, or None.
"""

from __future__ import annotations

from dataclasses import dataclass

from nsfwcaps.captions.normalize import fold_key
from nsfwcaps.construction.editors.editor import EditRequest, Proposal
from nsfwcaps.construction.edits import edit, holds, words
from nsfwcaps.construction.exclusion import excluded
from nsfwcaps.construction.lexicon import has_hazard

EXCLUDED = "excluded"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How much an edit may change."""

    max_words: int
    max_added: int
    max_removed: int


def check_safe(caption: str, limits: Limits, benchmark: frozenset[int]) -> str | None:
    """Check the safe side before anything is asked; `benchmark` holds fold keys that may not leak.

    What the exclusion list matches is `EXCLUDED`, and to be counted only.
    """
    if excluded(caption):
        return EXCLUDED
    if len(words(caption)) > limits.max_words:
        return "too_long"
    if fold_key(caption) in benchmark:
        return "in_benchmark"
    return "safe_side_unsafe" if has_hazard(caption) else None


def check_edit(
    request: EditRequest,
    proposal: Proposal,
    limits: Limits,
    benchmark: frozenset[int],
) -> str | None:
    """Check what an editor wrote against what it was given."""
    caption = proposal.caption
    if excluded(caption):
        return EXCLUDED
    if fold_key(caption) == fold_key(request.caption):
        return "unchanged"
    changed = edit(request.caption, caption)
    if changed.added > limits.max_added or changed.removed > limits.max_removed:
        return "changed_too_much"
    if len(words(caption)) > limits.max_words:
        return "too_long"
    if not holds(caption, proposal.element) or holds(request.caption, proposal.element):
        return "element_absent"
    return "in_benchmark" if fold_key(caption) in benchmark else None
