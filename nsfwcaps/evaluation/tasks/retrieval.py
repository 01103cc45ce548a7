"""Retrieval: safe queries over safe items, unsafe queries over safe and unsafe items together.

The protocol of SafeR-CLIP (arXiv 2511.16743) and Safe-CLIP (arXiv 2311.16254). A query is a
distinct item; where several pairs hold it, the best of their right items counts, as in
CLIP_benchmark. An unsafe query is right where it finds its safe counterpart.
"""

from __future__ import annotations

from nsfwcaps.evaluation.inputs import PairVectors
from nsfwcaps.evaluation.outcome import Outcome

KS = (1, 5, 10, 20)


def score(pairs: PairVectors, *, ks: tuple[int, ...] = KS) -> Outcome:
    """Rank for every query of every direction that the pairs allow.

    "T→V R@1" and its like are safe; "T*→V" and "V*→T" unsafe, with "closest" for what also takes
    equivalents and "unsafe first" for the share whose nearest item is an unsafe one. Without
    unsafe pictures "T*→T" stands in, where the query itself is no candidate. A k that is not below
    the number of candidates is left out, for everything would be found.
    """
    raise NotImplementedError
