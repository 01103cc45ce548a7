"""The same embeddings, the same figures: CLIP_benchmark's own functions are run beside ours."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from clip_benchmark.metrics import zeroshot_classification, zeroshot_retrieval

from nsfwcaps.metrics.answer_sets import sets_of
from nsfwcaps.metrics.retrieval import ranks_of_any, recall
from nsfwcaps.metrics.similarities import Vectors
from nsfwcaps.metrics.zero_shot import class_ranks, class_recalls, class_vectors

WIDTH = 16


class Recorded:
    """A model whose inputs are numbers of vectors that it has; they need not be unit rows."""

    def __init__(self, *, images: Vectors, texts: Vectors) -> None:
        self.images, self.texts = torch.from_numpy(images), torch.from_numpy(texts)

    def encode_image(self, numbers: torch.Tensor) -> torch.Tensor:
        return self.images[numbers]

    def encode_text(self, numbers: torch.Tensor) -> torch.Tensor:
        return self.texts[numbers]


def as_numbers(texts: list[str]) -> torch.Tensor:
    """Stand in for a tokenizer: the texts are numbers."""
    return torch.tensor([int(text) for text in texts])


def drawn(seed: int, count: int) -> Vectors:
    return np.random.default_rng(seed).normal(size=(count, WIDTH)).astype(np.float32)


def unit(rows: Vectors) -> Vectors:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("texts_each", [1, 5])
def test_recall(texts_each: int) -> None:
    """One query a text, and one an image, for which any of its texts is right."""
    images = drawn(0, 60)
    image_of = np.repeat(np.arange(60), texts_each)
    texts = (images[image_of] + 2.5 * drawn(1, len(image_of))).astype(np.float32)
    batches = [
        (
            torch.arange(start, start + 20),
            [
                [str(image * texts_each + which) for which in range(texts_each)]
                for image in range(start, start + 20)
            ],
        )
        for start in range(0, 60, 20)
    ]
    theirs = zeroshot_retrieval.evaluate(
        Recorded(images=images, texts=texts),
        batches,
        as_numbers,
        "cpu",
        amp=False,
        recall_k_list=[1, 5, 10],
    )
    of_image = sets_of(np.arange(len(image_of)), image_of, len(image_of))
    of_text = sets_of(image_of, np.arange(len(image_of)), 60)
    for k in (1, 5, 10):
        found = recall(ranks_of_any(unit(texts), unit(images), of_image), k)
        assert found == pytest.approx(theirs[f"image_retrieval_recall@{k}"], abs=1e-6)
        found = recall(ranks_of_any(unit(images), unit(texts), of_text), k)
        assert found == pytest.approx(theirs[f"text_retrieval_recall@{k}"], abs=1e-6)
    assert 0.1 < theirs["image_retrieval_recall@1"] < 0.9


def test_class_vectors() -> None:
    prompts = drawn(0, 7 * 4)
    theirs = zeroshot_classification.zero_shot_classifier(
        Recorded(images=prompts, texts=prompts),
        as_numbers,
        [str(number) for number in range(7)],
        ["{c}", "1{c}", "2{c}"],  # of class 3: vectors 3, 13 and 23
        "cpu",
        amp=False,
    )
    of_class = np.stack([prompts[[number, 10 + number, 20 + number]] for number in range(7)])
    np.testing.assert_allclose(class_vectors(unit(of_class)), theirs.numpy().T, atol=1e-6)


@pytest.mark.filterwarnings("ignore:y_pred contains classes not in y_true")
@pytest.mark.parametrize("skewed", [False, True])
def test_accuracy_and_recall_by_class(skewed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    # It makes a float of an array of length 1, which NumPy refuses from 2.4 on.
    monkeypatch.setattr(zeroshot_classification, "float", lambda array: array.item(), raising=False)
    random = np.random.default_rng(3)
    classes = drawn(0, 9)
    labels = random.integers(0, 9, 200)
    if skewed:
        labels = np.minimum(labels, 5)  # classes without an image
    images = (classes[labels] + 2 * drawn(1, 200)).astype(np.float32)
    theirs: dict[str, Any] = zeroshot_classification.evaluate(
        Recorded(images=images, texts=classes),
        _Batches(torch.arange(200).split(64), torch.from_numpy(labels).split(64), 9),
        as_numbers,
        [str(number) for number in range(9)],
        ["{c}"],
        "cpu",
        amp=False,
    )
    ranks = class_ranks(unit(images), class_vectors(unit(classes)[:, None]), labels)
    assert recall(ranks, 1) == pytest.approx(theirs["acc1"])
    assert recall(ranks, 5) == pytest.approx(theirs["acc5"])
    by_class = class_recalls(ranks == 0, labels).mean()
    assert by_class == pytest.approx(theirs["mean_per_class_recall"])
    assert 0.2 < theirs["acc1"] < 0.95


class _Batches:
    """What CLIP_benchmark takes of a data loader."""

    def __init__(self, images: Any, labels: Any, classes: int) -> None:
        self.dataset = SimpleNamespace(classes=range(classes))
        self._pairs = [*zip(images, labels, strict=True)]

    def __iter__(self) -> Any:
        return iter(self._pairs)
