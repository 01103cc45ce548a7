"""A preference is strict: ties and what is no number have none."""

from __future__ import annotations

import numpy as np

from nsfwcaps.metrics.preferences import prefers
from nsfwcaps.metrics.similarities import TIE


def test_preferences_by_hand() -> None:
    wanted = np.array([0.9, 0.2, 0.5, 0.5, np.nan, 0.5])
    other = np.array([0.1, 0.3, 0.5, 0.5 - TIE / 2, 0.1, np.nan])
    assert prefers(wanted, other).tolist() == [True, False, False, False, False, False]
