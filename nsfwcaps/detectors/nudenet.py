"""NudeNet, a detector of body parts, from the package `nudenet`, which includes the weights.

Its licence is AGPL-3.0, so it has an extra of its own and no other extra installs it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nsfwcaps import extras
from nsfwcaps.detectors.detector import DetectorStatement, Modality, Scores
from nsfwcaps.detectors.packages import package_folder, version
from nsfwcaps.detectors.pictures import rgb
from nsfwcaps.files import sha256_file

NAME = "nudenet"
LICENCE = "AGPL-3.0 by the licence file of the package; its metadata say MIT"
EXPOSED = (
    "ANUS_EXPOSED",
    "BUTTOCKS_EXPOSED",
    "FEMALE_BREAST_EXPOSED",
    "FEMALE_GENITALIA_EXPOSED",
    "MALE_GENITALIA_EXPOSED",
)
"""Classes that count as unsafe; faces, feet, bellies and covered parts do not."""

_BATCH = 16


def package() -> Any:
    """Import the package.

    Raises:
        ModelError: the package is not installed.
    """
    return extras.load("nudenet", NAME, NAME, note=f"its licence is {LICENCE}")


class NudeNet:
    """Scores an image by its most confident exposed part; NudeNet drops those below 0.25."""

    def __init__(self, threshold: float = 0.5) -> None:
        module = package()
        self._detector = module.NudeDetector()
        self.statement = DetectorStatement(
            name=NAME,
            kind=Modality.IMAGE,
            licence=LICENCE,
            trained_for=(
                "parts of the body in photographs; these count as unsafe: "
                + ", ".join(part.replace("_", " ").lower() for part in EXPOSED)
            ),
            version=version("nudenet"),
            weights_sha256=sha256_file(package_folder(module) / "320n.onnx"),
            threshold=threshold,
        )

    def score(self, items: Sequence[bytes]) -> Scores:
        """Return the score `[n]` of the most confident exposed part, 0 if none was found."""
        found: list[float] = []
        for start in range(0, len(items), _BATCH):
            # NudeNet expects BGR channels, as OpenCV does.
            pictures = [rgb(data)[:, :, ::-1].copy() for data in items[start : start + _BATCH]]
            found += map(_top_score, self._detector.detect_batch(pictures, batch_size=_BATCH))
        return np.array(found, dtype=np.float64)


def _top_score(parts: Sequence[dict[str, object]]) -> float:
    scores = [float(str(part["score"])) for part in parts if part["class"] in EXPOSED]
    return max(scores, default=0.0)
