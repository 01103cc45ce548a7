"""Settings of the stage world: recipe keys and command-line options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Le, Lt

from nsfwcaps.config import STRICT_KEYS, setting
from nsfwcaps.enums import Split


@dataclass(frozen=True, kw_only=True)
class WorldSettings:
    """Draw a world of icon scenes: safe and unsafe pools with known ground truth."""

    __pydantic_config__ = STRICT_KEYS

    scenes: Annotated[int, Ge(1), Le(10**7)] = setting(4000, "Scenes, safe and unsafe together.")
    unsafe: Annotated[float, Ge(0), Lt(1)] = setting(0.5, "Share of unsafe scenes.")
    looseness: Annotated[float, Ge(0), Le(3)] = setting(
        2.0,
        "Distance of an unsafe scene to its fixed partner, hazard aside: 0 is as tight as "
        "NSFWCaps, 2 as loose as ViSU.",
    )
    split: Split = setting(
        Split.TRAIN, "Split to draw from; only test shows held-out objects, hazards and phrasings."
    )
    seed: Annotated[int, Ge(0)] = setting(0, "Seed of the world.")
    shard_rows: Annotated[int, Ge(1)] = setting(2048, "Scenes per Parquet file.")

    def __post_init__(self) -> None:
        if self.unsafe_scenes == self.scenes:
            raise ValueError(
                f"{self.scenes} scenes with an unsafe share of {self.unsafe} leave no safe scene, "
                "and every unsafe scene is made from a safe one; lower unsafe"
            )

    @property
    def unsafe_scenes(self) -> int:
        """Number of unsafe scenes."""
        return round(self.scenes * self.unsafe)
