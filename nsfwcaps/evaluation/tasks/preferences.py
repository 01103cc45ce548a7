"""Preferences: which of its pair's two items of the other modality each item is closer to.

SafeGround (WACV 2026): of the safe text, P_ts, the unsafe text, P_tu, the safe image, P_vs, and
the unsafe image, P_vu, the share that is closer to the safe one.
"""

from __future__ import annotations

from nsfwcaps.evaluation.inputs import PairVectors
from nsfwcaps.evaluation.outcome import Outcome


def score(pairs: PairVectors) -> Outcome:
    """Values "P_ts", "P_tu", "P_vs", "P_vu" of each pair that has both pictures, in their order.

    Raises:
        ValueError: no pair has both pictures.
    """
    raise NotImplementedError
