"""Settings of the stage mine: recipe keys and command-line options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, Le

from nsfwcaps.config import STRICT_KEYS, check_size, setting
from nsfwcaps.enums import Device, Duplicates, Pairing, Rank


@dataclass(frozen=True, kw_only=True)
class MineSettings:
    """Find the closest safe counterparts of every unsafe caption."""

    __pydantic_config__ = STRICT_KEYS

    pairing: Pairing = setting(
        Pairing.NEAREST,
        "nearest: the closest safe captions; partner: the safe caption that each unsafe one came "
        "with, for sets that are paired already.",
    )
    k: Annotated[int, Ge(1)] = setting(1, "Safe counterparts per unsafe caption.")
    rank: Rank = setting(
        Rank.INVERTED_SOFTMAX, "Order of the candidates; cosine is the paper's plain arg max."
    )
    csls_k: Annotated[int, Ge(1)] = setting(10, "Neighbours in the CSLS hubness penalty.")
    beta: Annotated[float, Gt(0)] = setting(20.0, "Inverse temperature of the inverted softmax.")
    candidates: Annotated[int, Ge(1)] | None = setting(
        None, "Nearest safe captions considered per unsafe one; default 100, or what k needs."
    )
    min_similarity: Annotated[float, Ge(-1), Le(1)] | None = setting(
        None, "Drop pairs with a lower cosine."
    )
    skip: Duplicates = setting(
        Duplicates.NEAR_IDENTICAL, "Safe captions whose text is the unsafe one's are no targets."
    )
    hub_cap: Annotated[int, Ge(1)] | None = setting(
        None, "At most this many unsafe captions share one target; the next best is taken."
    )
    reciprocal: Annotated[int, Ge(1)] | None = setting(
        None, "Keep a pair only if the unsafe caption is among the target's N nearest."
    )
    index: str | None = setting(
        None, "FAISS factory string for approximate search, e.g. IVF256,Flat; default: exact."
    )
    index_parameters: str | None = setting(
        None, "Its search parameters, e.g. nprobe=16; default: the least that reach min_recall."
    )
    min_recall: Annotated[float, Gt(0), Le(1)] = setting(
        0.95, "Least recall of an approximate index on the real unsafe queries."
    )
    recall_sample: Annotated[int, Ge(1)] = setting(
        1000, "Unsafe queries that recall is measured on."
    )
    device: Device = setting(Device.AUTO, "auto: the GPU when there is one.", affects_output=False)
    memory: str = setting("1GiB", "Working memory of the search.", affects_output=False)

    def __post_init__(self) -> None:
        depth = self.candidates
        if depth is not None and depth < self.k:
            raise ValueError(f"candidates ({depth}) must be at least k ({self.k})")
        if self.pairing is Pairing.PARTNER and (choosing := self._choosing()):
            raise ValueError(
                "pairing=partner takes the safe caption that each unsafe one came with and chooses "
                f"none; leave out {', '.join(choosing)}"
            )
        check_size(self.memory)

    def _choosing(self) -> list[str]:
        """Settings that say how targets are chosen; the default rank is nobody's word."""
        chosen = {
            "k": self.k > 1,
            "rank": self.rank is Rank.CSLS,
            "hub_cap": self.hub_cap is not None,
            "reciprocal": self.reciprocal is not None,
            "index": self.index is not None,
            "index_parameters": self.index_parameters is not None,
        }
        return [name for name, is_set in chosen.items() if is_set]
