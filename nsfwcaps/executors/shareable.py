"""What can be shared: the stages, and the embedding of an evaluation, which looks like one."""

from __future__ import annotations

from nsfwcaps.stage import Stage
from nsfwcaps.stages import STAGE


def shareable(name: str) -> Stage:
    """Return what an order names."""
    if name in STAGE:
        return STAGE[name]
    from nsfwcaps.evaluation.shared import EMBEDDING  # slow to import

    assert name == EMBEDDING.name, name
    return EMBEDDING
