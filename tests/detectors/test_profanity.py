from __future__ import annotations

import sys
import types
import warnings
from typing import Any

import pytest

from nsfwcaps.detectors import profanity, registry
from nsfwcaps.detectors.detector import Modality, unsafe
from nsfwcaps.errors import ModelError


def test_wording_is_told_apart() -> None:
    pytest.importorskip("profanity_check", reason="needs the extra profanity")
    detector = registry.load("profanity", Modality.TEXT)
    texts = ["A red kite above a lake.", "That damn idiot spilled my tea.", "Two cups"]
    scores = detector.score(texts)
    assert unsafe(detector.statement, scores).tolist() == [False, True, False]
    assert detector.score([]).shape == (0,)
    assert detector.statement.licence == "MIT"
    assert detector.statement.version.startswith("alt-profanity-check ")


def test_another_scikit_learn_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def outdated(*given: Any, **options: Any) -> types.ModuleType:
        warnings.warn("Trying to unpickle estimator from version 1", stacklevel=2)
        return sys

    monkeypatch.setattr(profanity.extras, "load", outdated)
    with pytest.raises(ModelError, match="scikit-learn"):
        registry.load("profanity", Modality.TEXT)
