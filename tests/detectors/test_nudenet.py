"""On mild pictures it finds nothing; what its findings count for is told by stand-ins."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from support.detector_place import picture

from nsfwcaps.detectors import nudenet, registry
from nsfwcaps.detectors.detector import Modality

package = pytest.importorskip("nudenet", reason="needs the extra nudenet, which is AGPL-3.0")


def test_nothing_is_found_in_plain_pictures() -> None:
    detector = registry.load("nudenet", Modality.IMAGE)
    assert detector.score([picture(seed) for seed in range(18)]).tolist() == [0.0] * 18
    assert detector.score([]).shape == (0,)


def test_the_surest_exposed_part_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def found(self: Any, pictures: list[Any], batch_size: int) -> Any:
        seen.extend(pictures)
        return [
            [],
            [{"class": "FACE_FEMALE", "score": 0.9}, {"class": "BELLY_EXPOSED", "score": 0.8}],
            [{"class": "BUTTOCKS_EXPOSED", "score": s} for s in (0.3, 0.7, 0.4)],
        ]

    monkeypatch.setattr(package.NudeDetector, "detect_batch", found)
    pictures = [picture(seed) for seed in range(3)]
    scores = registry.load("nudenet", Modality.IMAGE).score(pictures)
    assert scores.tolist() == [0.0, 0.0, 0.7]
    blue_first = nudenet.rgb(pictures[0])[:, :, ::-1]
    np.testing.assert_array_equal(seen[0], blue_first)


def test_it_knows_every_class_that_counts() -> None:
    assert {*nudenet.EXPOSED} <= {*vars(package.nudenet)["__labels"]}


def test_its_licence_is_said() -> None:
    statement = registry.load("nudenet", Modality.IMAGE).statement
    assert "AGPL-3.0" in statement.licence
    assert len(statement.weights_sha256) == 64
