"""Profane language, by the package `alt-profanity-check`, which includes the weights."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from nsfwcaps import extras
from nsfwcaps.config import digest
from nsfwcaps.detectors.detector import DetectorStatement, Modality, Scores
from nsfwcaps.detectors.packages import package_folder, version
from nsfwcaps.errors import ModelError
from nsfwcaps.files import sha256_file

NAME = "profanity"
_WEIGHTS = ("model.joblib", "vectorizer.joblib")


class Profanity:
    """A linear SVM on bags of words."""

    def __init__(self, threshold: float = 0.5) -> None:
        package = _import()
        self._probabilities = package.predict_prob
        folder = package_folder(package) / "data"
        self.statement = DetectorStatement(
            name=NAME,
            kind=Modality.TEXT,
            licence="MIT",
            trained_for=(
                "profane and offensive wording of English posts and comments. A calm description "
                "of something unsafe is not profane"
            ),
            version=version("alt-profanity-check"),
            weights_sha256=digest([sha256_file(folder / name) for name in _WEIGHTS]),
            threshold=threshold,
        )

    def score(self, items: Sequence[str]) -> Scores:
        """Return the probability `[n]` of profane language."""
        if not items:  # the vectoriser rejects an empty list
            return np.empty(0, dtype=np.float64)
        return np.asarray(self._probabilities(list(items)), dtype=np.float64)


def _import() -> Any:
    """Import the package, which unpickles scikit-learn models of one specific version."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message="Trying to unpickle")
            return extras.load("profanity_check", NAME, NAME)
    except (UserWarning, AttributeError, TypeError, ValueError):
        raise ModelError(
            f"{NAME}: the installed scikit-learn does not match alt-profanity-check; run "
            f"'pip install --force-reinstall \"nsfwcaps[{NAME}]\"'"
        ) from None
