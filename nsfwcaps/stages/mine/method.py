"""mine: translate its settings for the search."""

from __future__ import annotations

from nsfwcaps.mining.approximate import IndexChoice
from nsfwcaps.mining.pairs import MiningMethod
from nsfwcaps.mining.targets import Weighing
from nsfwcaps.stages.mine.settings import MineSettings


def method_of(settings: MineSettings) -> MiningMethod:
    """Return the mining method for the settings."""
    index = None
    if settings.index is not None:
        index = IndexChoice(
            factory=settings.index,
            parameters=settings.index_parameters,
            min_recall=settings.min_recall,
            recall_sample=settings.recall_sample,
            device=settings.device,
        )
    return MiningMethod(
        k=settings.k,
        similarity=settings.similarity,
        candidates=settings.candidates,
        weighing=Weighing(
            rank=settings.rank,
            csls_k=settings.csls_k,
            beta=settings.beta,
            reciprocal=settings.reciprocal,
        ),
        min_similarity=settings.min_similarity,
        min_candidate_similarity=settings.min_candidate_similarity,
        hub_cap=settings.hub_cap,
        margin_duplicate=settings.margin_duplicate,
        index=index,
    )
