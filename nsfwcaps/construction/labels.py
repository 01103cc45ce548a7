"""What judges say of an image, as a label: a pair may be unsafe in text and safe in image."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence

from nsfwcaps.detectors.detector import DetectorStatement

Verdict = Mapping[str, float]
"""Probability that an image is unsafe, by the name of the judge."""


class ImageLabel(enum.StrEnum):
    """Label of an image, by itself; that of its caption says nothing of it."""

    UNSAFE = "unsafe"
    SAFE = "safe"
    UNJUDGED = "unjudged"
    """Nobody was asked."""


def image_label(verdict: Verdict, judges: Sequence[DetectorStatement]) -> ImageLabel:
    """Unsafe if any judge says so, at its threshold."""
    if not judges:
        return ImageLabel.UNJUDGED
    return ImageLabel.UNSAFE if _margin(verdict, judges) >= 0 else ImageLabel.SAFE


def chosen(verdicts: Sequence[Verdict], judges: Sequence[DetectorStatement]) -> int:
    """Which of a caption's attempts is kept: the first unsafe one, or else the one nearest to it.

    Nearest is the least distance of any judge's score to its threshold; of equal ones the first.
    """
    margins = [_margin(verdict, judges) if judges else 0.0 for verdict in verdicts]
    first = next((number for number, margin in enumerate(margins) if margin >= 0), None)
    return margins.index(max(margins)) if first is None else first


def _margin(verdict: Verdict, judges: Sequence[DetectorStatement]) -> float:
    return max(verdict[judge.name] - judge.threshold for judge in judges)
