"""Settings of the stage grade: recipe keys and command-line options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, Lt

from nsfwcaps.config import STRICT_KEYS, setting


@dataclass(frozen=True, kw_only=True)
class GradeSettings:
    """Give every pair a difficulty in [0, 1] and a level: easy, medium or hard."""

    __pydantic_config__ = STRICT_KEYS

    similarity_weight: Annotated[float, Ge(0)] = setting(
        1.0, "Weight of a low similarity to the target."
    )
    margin_weight: Annotated[float, Ge(0)] = setting(
        1.0, "Weight of a small margin to the next candidate."
    )
    density_weight: Annotated[float, Ge(0)] = setting(0.0, "Weight of a dense safe neighbourhood.")
    easy_share: Annotated[float, Gt(0), Lt(1)] = setting(1 / 3, "Share of easy pairs.")
    hard_share: Annotated[float, Gt(0), Lt(1)] = setting(1 / 3, "Share of hard pairs.")

    def __post_init__(self) -> None:
        if self.similarity_weight + self.margin_weight + self.density_weight <= 0:
            raise ValueError("at least one of the three weights must be above zero")
        if self.easy_share + self.hard_share > 1:
            raise ValueError("easy_share and hard_share add up to more than 1")

    @property
    def weights(self) -> dict[str, float]:
        """Weight of every signal that has one."""
        named = {
            "similarity": self.similarity_weight,
            "margin": self.margin_weight,
            "density": self.density_weight,
        }
        return {name: weight for name, weight in named.items() if weight > 0}
