"""Check of the edited side by text detectors: is it unsafe, and of the category asked for?"""

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
    """Why each of n edited captions is set aside, or None; without detectors none is.

    A caption is unsafe if any detector says so. Where detectors know the category that was asked
    for, one of them must find it of that category; of categories that none knows nothing is said.
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
    """Which captions `[n]` are of the category asked for, and of which the detector can tell."""
    columns = {category: column for column, category in enumerate(detector.categories)}
    place = np.array([columns.get(category, -1) for category in categories])
    judged: _Flags = place >= 0
    right: _Flags = np.zeros(len(captions), dtype=np.bool_)
    if judged.any():
        scores = detector.score_categories(captions)  # [n, c]
        right[judged] = unsafe(detector.statement, scores[judged, place[judged]])
    return right, judged
