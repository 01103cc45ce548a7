"""Zero-shot classification: accuracy, and mean per-class recall."""

from __future__ import annotations

import numpy as np

from nsfwcaps.evaluation.inputs import ZeroShotVectors
from nsfwcaps.evaluation.outcome import TaskOutcome
from nsfwcaps.evaluation.units import units_of
from nsfwcaps.metrics.zero_shot import class_ranks, class_recalls

KS = (1, 5)


def score(images: ZeroShotVectors, *, device: str = "cpu") -> TaskOutcome:
    """Score "acc@1", "acc@5" (with more than 5 classes) and "mean per-class recall".

    The latter is over classes that have images.

    Raises:
        ValueError: a label is out of range.
    """
    labels, count = images.labels, len(images.classes)
    outside = (labels < 0) | (labels >= count)
    if outside.any():
        raise ValueError(
            f"zero-shot: {int(outside.sum())} of {len(labels)} labels are outside 0..{count - 1}"
        )
    ranks = class_ranks(images.images, images.classes, labels, device=device)
    seen = len(set(labels.tolist()))
    values = {
        **{f"acc@{k}": (ranks < k).astype(float) for k in KS if k == 1 or k < count},
        "mean per-class recall": class_recalls(ranks == 0, labels),
    }
    units = np.arange(len(labels)) if images.picture_of is None else units_of(images.picture_of)
    return TaskOutcome(
        task="zeroshot",
        values=values,
        units=dict.fromkeys(values, units),
        facts={"images": len(labels), "classes": count, "classes_without_images": count - seen},
    )
