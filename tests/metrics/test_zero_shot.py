"""Class vectors, ranks of classes and recall by class, by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nsfwcaps.metrics.retrieval import recall
from nsfwcaps.metrics.zero_shot import class_ranks, class_recalls, class_vectors


def test_class_vectors_are_normalised_means() -> None:
    prompts = np.array([[[1, 0], [0, 1]], [[1, 0], [0.6, 0.8]]], dtype=np.float32)
    half, third = np.sqrt(0.5), np.array([0.8, 0.4]) / np.hypot(0.8, 0.4)
    np.testing.assert_allclose(class_vectors(prompts), [[half, half], third], atol=1e-7)
    assert class_vectors(prompts).dtype == np.float32


def test_prompts_that_cancel_out_are_named() -> None:
    prompts = np.array([[[1, 0], [0, 1]], [[1, 0], [-1, 0]]], dtype=np.float32)
    with pytest.raises(ValueError, match="class 1 cancel out"):
        class_vectors(prompts)


def test_class_ranks_by_hand() -> None:
    classes = np.eye(3, dtype=np.float32)
    images = np.array([[0.9, 0.4, 0.1], [0.9, 0.4, 0.1], [0.1, 0.4, 0.9]], dtype=np.float32)
    found = class_ranks(images, classes, np.array([0, 2, 1]))
    assert found.tolist() == [0, 2, 1]
    assert recall(found, 1) == pytest.approx(1 / 3)


def test_recall_by_class_by_hand() -> None:
    labels = np.array([0, 0, 0, 3])  # no image of 1 and 2
    hits = np.array([True, True, False, False])
    # Two classes: a hit among three of four images counts 4 / (2 * 3).
    assert class_recalls(hits, labels).tolist() == pytest.approx([2 / 3, 2 / 3, 0, 0])
    assert class_recalls(hits, labels).mean() == pytest.approx((2 / 3 + 0) / 2)
    assert not len(class_recalls(hits[:0], labels[:0]))


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 4)), min_size=1, max_size=30))
def test_recall_by_class_is_balanced_accuracy(images: list[tuple[bool, int]]) -> None:
    hits, labels = np.array([hit for hit, _ in images]), np.array([label for _, label in images])
    by_class = [hits[labels == label].mean() for label in np.unique(labels)]
    assert class_recalls(hits, labels).mean() == pytest.approx(np.mean(by_class))
