"""Zero-shot figures by hand."""

from __future__ import annotations

import numpy as np
import pytest

from nsfwcaps.evaluation.inputs import ZeroShotVectors
from nsfwcaps.evaluation.tasks import zeroshot


def images(labels: list[int], nearest: list[int], classes: int) -> ZeroShotVectors:
    """Images at right angles to all classes but the one that each is nearest to."""
    eye = np.eye(classes, dtype=np.float32)
    # Falling a little from class to class, so that no two are equally near.
    rows = eye[nearest] + np.linspace(0.2, 0.1, classes, dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return ZeroShotVectors(images=rows, classes=eye, labels=np.array(labels))


def test_accuracy_by_hand() -> None:
    # The last one's class, 6, is the last of seven for it; 4 is the fifth for the third.
    found = zeroshot.score(images([0, 0, 3, 6], [0, 1, 4, 0], classes=7))
    assert found.task == "zeroshot"
    assert found.values["acc@1"].tolist() == [1, 0, 0, 0]
    assert found.values["acc@5"].tolist() == [1, 1, 1, 0]
    assert found.values["mean per-class recall"].mean() == pytest.approx((0.5 + 0 + 0) / 3)
    assert found.facts == {"images": 4, "classes": 7, "classes_without_images": 4}


def test_few_classes_have_no_fifth_place() -> None:
    found = zeroshot.score(images([0, 1], [0, 1], classes=5))
    assert found.values.keys() == {"acc@1", "mean per-class recall"}


def test_one_point_for_all_is_no_hit() -> None:
    point = np.tile(np.float32([[0.6, 0.8]]), (8, 1))
    found = zeroshot.score(ZeroShotVectors(images=point, classes=point, labels=np.arange(8)))
    assert not found.values["acc@1"].any()
    assert found.values["mean per-class recall"].mean() == 0


@pytest.mark.parametrize("label", [-1, 3])
def test_a_label_of_no_class_is_an_error(label: int) -> None:
    with pytest.raises(ValueError, match=r"1 of 2 labels are outside 0\.\.2"):
        zeroshot.score(images([0, label], [0, 1], classes=3))
