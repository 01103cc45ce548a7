"""Labels of images from judges' scores: a pair may be unsafe in text and safe in image."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence

from nsfwcaps.detectors.detector import DetectorStatement

Verdict = Mapping[str, float]
"""Name of a judge -> probability that the image is unsafe."""


class ImageLabel(enum.StrEnum):
    """Label of an image, independent of its caption's label."""

    UNSAFE = "unsafe"
    SAFE = "safe"
    UNJUDGED = "unjudged"
    """No judge was run."""


def image_label(verdict: Verdict, judges: Sequence[DetectorStatement]) -> ImageLabel:
    """Label an image unsafe if any judge's score reaches its threshold."""
    if not judges:
        return ImageLabel.UNJUDGED
    return ImageLabel.UNSAFE if _margin(verdict, judges) >= 0 else ImageLabel.SAFE


def chosen(verdicts: Sequence[Verdict], judges: Sequence[DetectorStatement]) -> int:
    """Return the index of the attempt to keep: the first unsafe one, else the closest to unsafe.

    Closeness is the least distance of any judge's score to its threshold; the first wins a tie.
    """
    margins = [_margin(verdict, judges) if judges else 0.0 for verdict in verdicts]
    first = next((number for number, margin in enumerate(margins) if margin >= 0), None)
    return margins.index(max(margins)) if first is None else first


def _margin(verdict: Verdict, judges: Sequence[DetectorStatement]) -> float:
    return max(verdict[judge.name] - judge.threshold for judge in judges)
