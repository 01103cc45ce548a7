"""Zero-shot classification, as open_clip and CLIP_benchmark do it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from nsfwcaps.metrics.answer_sets import Rows
from nsfwcaps.metrics.retrieval import ranks
from nsfwcaps.metrics.similarities import Vectors


def class_vectors(prompts: Vectors) -> Vectors:
    """Vector `[c, d]` of each class: the mean of its templates' unit rows `[c, t, d]`, normalised.

    Raises:
        ValueError: the prompts of a class cancel out, so that they have no direction.
    """
    means = prompts.mean(axis=1, dtype=np.float64)
    lengths = np.linalg.norm(means, axis=1, keepdims=True)
    if (lengths == 0).any():
        raise ValueError(f"the prompts of class {int(lengths.argmin())} cancel out")
    return np.asarray(means / lengths, dtype=np.float32)


def class_ranks(images: Vectors, classes: Vectors, labels: Rows) -> Rows:
    """Rank `[n]`, from 0, of the right class `[n]` among classes `[c, d]` for images `[n, d]`.

    Accuracy at k is the recall at k of these; ties count half, rounded up.
    """
    return ranks(images, classes, labels)


def class_recalls(hits: npt.NDArray[np.bool_], labels: Rows) -> npt.NDArray[np.float64]:
    """Hits `[n]` weighted so that their mean is the mean recall of the classes in labels `[n]`.

    The mean is balanced accuracy of scikit-learn, `mean_per_class_recall` of CLIP_benchmark. An
    interval of it draws images whatever their class, so it is a little wider than one that keeps
    the size of every class.
    """
    counts = np.bincount(labels)
    classes = np.count_nonzero(counts)
    return np.asarray(hits * len(labels) / (classes * counts[labels]), dtype=np.float64)
