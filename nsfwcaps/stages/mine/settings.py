"""Settings of the stage mine: recipe keys and command-line options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, Le

from nsfwcaps.config import STRICT_KEYS, check_size, setting
from nsfwcaps.enums import Device, Duplicates, Pairing, Rank, Similarity


@dataclass(frozen=True, kw_only=True)
class MineSettings:
    """Find the closest safe counterparts of every unsafe caption."""

    __pydantic_config__ = STRICT_KEYS

    pairing: Pairing = setting(
        Pairing.NEAREST,
        "nearest: the closest safe captions; partner: the safe partner of each unsafe caption, for "
        "data sets that are already paired.",
    )
    k: Annotated[int, Ge(1)] = setting(1, "Safe counterparts per unsafe caption.")
    similarity: Similarity = setting(
        Similarity.TEXT,
        "What is compared: text, image, or both, the mean of the two cosines. All cosines below "
        "are of this choice.",
    )
    rank: Rank = setting(
        Rank.INVERTED_SOFTMAX, "Ranking of candidates; cosine is the paper's plain arg max."
    )
    csls_k: Annotated[int, Ge(1)] = setting(10, "Neighbours in the CSLS hubness penalty.")
    beta: Annotated[float, Gt(0)] = setting(20.0, "Inverse temperature of the inverted softmax.")
    candidates: Annotated[int, Ge(1)] | None = setting(
        None,
        "Nearest safe captions considered per unsafe caption. Default: 100, or more if k needs it.",
    )
    min_similarity: Annotated[float, Ge(-1), Le(1)] | None = setting(
        None,
        "Minimum cosine of a pair: those below are set aside, and no other target changes. Levels, "
        "which are shares of the pairs left, do.",
    )
    min_candidate_similarity: Annotated[float, Ge(-1), Le(1)] | None = setting(
        None, "Minimum cosine of a candidate: the best ranked of those left is the target."
    )
    skip: Duplicates = setting(
        Duplicates.NEAR_IDENTICAL,
        "Which copies of the unsafe caption's own text are excluded as targets. Its own picture is "
        "too, where pictures are compared.",
    )
    hub_cap: Annotated[int, Ge(1)] | None = setting(
        None, "Maximum unsafe captions per target; the next best target is used."
    )
    reciprocal: Annotated[int, Ge(1)] | None = setting(
        None, "Only targets that have the unsafe caption among their N nearest are candidates."
    )
    margin_duplicate: Annotated[float, Gt(0), Le(1)] = setting(
        0.85, "Candidates with at least this cosine to the target do not set the margin."
    )
    index: str | None = setting(
        None, "FAISS factory string for approximate search, such as IVF256,Flat. Default: exact."
    )
    index_parameters: str | None = setting(
        None,
        "Search parameters of the index, such as nprobe=16. Default: the least that reach "
        "min_recall.",
    )
    min_recall: Annotated[float, Gt(0), Le(1)] = setting(
        0.95, "Minimum recall of an approximate index on your own unsafe captions."
    )
    recall_sample: Annotated[int, Ge(1)] = setting(
        1000, "Unsafe captions that recall is measured on."
    )
    device: Device = setting(Device.AUTO, "auto: the GPU if there is one.", affects_output=False)
    memory: str = setting("1GiB", "Working memory of the search.", affects_output=False)
    block: Annotated[int, Ge(1)] | None = setting(
        None,
        "Unsafe captions searched at once: what a kill costs. Default: as memory allows.",
        affects_output=False,
    )
    partitions: Annotated[int, Ge(1)] | None = setting(
        None,
        "Partitions of the safe captions, each searched on its own. Default: as a GPU's memory "
        "needs.",
        affects_output=False,
    )

    def __post_init__(self) -> None:
        depth = self.candidates
        if depth is not None and depth < self.k:
            raise ValueError(f"candidates ({depth}) must be at least k ({self.k})")
        if self.pairing is Pairing.PARTNER and (choosing := self._choosing()):
            raise ValueError(
                "pairing=partner uses the partner of each unsafe caption and chooses no target; "
                f"remove {', '.join(choosing)}"
            )
        check_size(self.memory)

    def _choosing(self) -> list[str]:
        """Settings that control how targets are chosen; a default rank was not asked for."""
        chosen = {
            "k": self.k > 1,
            "similarity": self.similarity is not Similarity.TEXT,
            "rank": self.rank is Rank.CSLS,
            "hub_cap": self.hub_cap is not None,
            "min_candidate_similarity": self.min_candidate_similarity is not None,
            "reciprocal": self.reciprocal is not None,
            "index": self.index is not None,
            "index_parameters": self.index_parameters is not None,
        }
        return [name for name, is_set in chosen.items() if is_set]
