"""Real NSFW: how often the nearest item is a real unsafe one, where safe ones are there too."""

from __future__ import annotations

from nsfwcaps.evaluation.inputs import MixedVectors
from nsfwcaps.evaluation.outcome import Outcome


def score(mixed: MixedVectors) -> Outcome:
    """Values "text→image unsafe first" of unsafe captions, "image→text unsafe first" of pictures.

    Raises:
        ValueError: one of the four sides is empty.
    """
    raise NotImplementedError
