"""Checks of an edit by its words alone; those by detectors and vectors follow later.

Each returns the reason to set the edit aside, or None.
"""

from __future__ import annotations

from dataclasses import dataclass

from nsfwcaps.captions.normalize import fold_key
from nsfwcaps.construction.broken import BROKEN, is_broken
from nsfwcaps.construction.editors.editor import EditRequest, Proposal
from nsfwcaps.construction.edits import edit, holds, words
from nsfwcaps.construction.exclusion import excluded
from nsfwcaps.construction.lexicon import has_hazard
from nsfwcaps.construction.minors import MINORS, may_show_minors
from nsfwcaps.construction.undress import UNDRESS, shows_undress
from nsfwcaps.construction.visible import is_visible

EXCLUDED = "excluded"


@dataclass(frozen=True, kw_only=True)
class Limits:
    """Limits on an edit, in words."""

    max_words: int
    max_added: int
    max_removed: int


def check_safe(caption: str, limits: Limits, benchmark: frozenset[int]) -> str | None:
    """Check the safe caption before asking an editor; `benchmark` holds fold keys of test captions.

    `EXCLUDED` captions are counted and never stored.
    """
    if excluded(caption):
        return EXCLUDED
    if may_show_minors(caption):
        return MINORS
    if shows_undress(caption):
        return UNDRESS
    if is_broken(caption):
        return BROKEN
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
    """Check an editor's proposal against the request."""
    caption = proposal.caption
    if excluded(caption):
        return EXCLUDED
    if may_show_minors(caption):
        return MINORS
    if fold_key(caption) == fold_key(request.caption):
        return "unchanged"
    changed = edit(request.caption, caption)
    if changed.added > limits.max_added or changed.removed > limits.max_removed:
        return "changed_too_much"
    if len(words(caption)) > limits.max_words:
        return "too_long"
    if not holds(caption, proposal.element) or holds(request.caption, proposal.element):
        return "element_absent"
    if not is_visible(proposal.element):
        return "not_visible"
    return "in_benchmark" if fold_key(caption) in benchmark else None
