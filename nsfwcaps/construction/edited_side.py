"""Check by text detectors that the edited caption is unsafe and of the requested category."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from nsfwcaps.detectors.detector import CategoryDetector, Detector, unsafe
from nsfwcaps.enums import Category

SAFE = "edited_side_safe"
OTHER_CATEGORY = "other_category"

_Flags = npt.NDArray[np.bool_]


def check_edited(
    detectors: Sequence[Detector[str]],
    captions: Sequence[str],
    categories: Sequence[Category],
) -> list[str | None]:
    """Return the reason to set aside each of n edited captions, or None; None without detectors.

    A caption is unsafe if any detector flags it. If any detector knows the requested category, one
    of those must assign it; a category that no detector knows is not checked.
    """
    if not detectors or not captions:
        return [None] * len(captions)
    flagged: _Flags = np.zeros(len(captions), dtype=np.bool_)
    right: _Flags = np.zeros(len(captions), dtype=np.bool_)
    known: _Flags = np.zeros(len(captions), dtype=np.bool_)
    for detector in detectors:
        flagged |= unsafe(detector.statement, detector.score(captions))
        if isinstance(detector, CategoryDetector):
            of_category, judged = _of_category(detector, captions, categories)
            right |= of_category
            known |= judged
    return [
        None if good else OTHER_CATEGORY if is_unsafe else SAFE
        for good, is_unsafe in zip((right | (flagged & ~known)), flagged, strict=True)
    ]


def _of_category(
    detector: CategoryDetector[str], captions: Sequence[str], categories: Sequence[Category]
) -> tuple[_Flags, _Flags]:
    """Return masks `[n]`: captions of the requested category, and those the detector can judge."""
    columns = {category: column for column, category in enumerate(detector.categories)}
    place = np.array([columns.get(category, -1) for category in categories])
    judged: _Flags = place >= 0
    right: _Flags = np.zeros(len(captions), dtype=np.bool_)
    if judged.any():
        scores = detector.score_categories(captions)  # [n, c]
        right[judged] = unsafe(detector.statement, scores[judged, place[judged]])
    return right, judged
