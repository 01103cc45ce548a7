"""Zero-shot classification: accuracy, and recall as the mean over classes."""

from __future__ import annotations

from nsfwcaps.evaluation.inputs import ZeroShotVectors
from nsfwcaps.evaluation.outcome import Outcome


def score(pictures: ZeroShotVectors) -> Outcome:
    """Values "acc@1" and "acc@5" (where there are more than 5 classes) of each picture.

    "mean per-class recall" is a figure, over the classes that have pictures.

    Raises:
        ValueError: a label is no row of the classes.
    """
    raise NotImplementedError
