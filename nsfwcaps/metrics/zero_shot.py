"""Zero-shot classification as in open_clip and CLIP_benchmark."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nsfwcaps.metrics.answer_sets import Rows
from nsfwcaps.metrics.retrieval import ranks
from nsfwcaps.metrics.similarities import Vectors


def class_vectors(prompts: Vectors) -> Vectors:
    """Return class vectors `[c, d]`: normalised means of the templates' unit rows `[c, t, d]`.

    Raises:
        ValueError: the prompts of a class cancel out.
    """
    means = prompts.mean(axis=1, dtype=np.float64)
    lengths = np.linalg.norm(means, axis=1, keepdims=True)
    if (lengths == 0).any():
        raise ValueError(f"the prompts of class {int(lengths.argmin())} cancel out")
    return np.asarray(means / lengths, dtype=np.float32)


def class_ranks(images: Vectors, classes: Vectors, labels: Rows, *, device: str = "cpu") -> Rows:
    """Return the rank `[n]`, from 0, of each image's right class.

    Images are `[n, d]`, classes `[c, d]`. Accuracy at k is the recall at k of these ranks. Ties
    count half, rounded up.
    """
    return ranks(images, classes, labels, device=device)


def class_recalls(hits: npt.NDArray[np.bool_], labels: Rows) -> npt.NDArray[np.float64]:
    """Weight hits `[n]` so that their mean is the mean recall over the classes in `labels` `[n]`.

    The mean equals scikit-learn's balanced accuracy and CLIP_benchmark's `mean_per_class_recall`.
    Its interval resamples images regardless of class, so it is slightly wider than one that keeps
    class sizes fixed.
    """
    counts = np.bincount(labels)
    classes = np.count_nonzero(counts)
    return np.asarray(hits * len(labels) / (classes * counts[labels]), dtype=np.float64)
