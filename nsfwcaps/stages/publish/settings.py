"""Settings of the stage publish: recipe keys and command-line options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, Le, Lt

from nsfwcaps.config import STRICT_KEYS, check_size, setting
from nsfwcaps.enums import ColumnNames


@dataclass(frozen=True, kw_only=True)
class PublishSettings:
    """Write the pairs as a data set that others can load, with a card of measured numbers."""

    __pydantic_config__ = STRICT_KEYS

    title: str = setting("Safe-unsafe caption pairs", "Title of the data card.")
    license: str = setting(
        "other", "Licence identifier for the card; it must fit those of the pools."
    )
    validation_share: Annotated[float, Ge(0), Lt(1)] = setting(
        0.1, "Share of pairs for validation."
    )
    test_share: Annotated[float, Ge(0), Lt(1)] = setting(0.1, "Share of pairs for testing.")
    near_duplicate: Annotated[float, Gt(0), Le(1)] = setting(
        0.95, "Captions with at least this cosine stay in one split."
    )
    seed: Annotated[int, Ge(0)] = setting(0, "Seed of the split.")
    carry_images: bool = setting(
        True,
        "Store images in the data set, as training needs; otherwise link them by path and hash.",
    )
    columns: ColumnNames = setting(
        ColumnNames.OURS,
        "ours; nsfwcaps: the columns of NSFWCaps first, then ours.",
    )
    verdicts: str | None = setting(
        None, "Join a review: its database, or a folder written by 'nsfwcaps review export'."
    )
    only_accepted: bool = setting(
        False, "Keep only pairs that the review accepted, as they are or fixed."
    )
    shard_rows: Annotated[int, Ge(1)] = setting(
        100_000, "Pairs per Parquet file; with images at most 2,000."
    )
    memory: str = setting("1GiB", "Working memory of the split.", affects_output=False)

    def __post_init__(self) -> None:
        if self.validation_share + self.test_share >= 1:
            raise ValueError("validation_share and test_share leave nothing to train on")
        if self.only_accepted and self.verdicts is None:
            raise ValueError("only_accepted needs verdicts, the review to take them from")
        check_size(self.memory)
