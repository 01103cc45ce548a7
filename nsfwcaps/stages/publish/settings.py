"""Settings of the stage publish: recipe keys and command-line options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, Le, Lt

from nsfwcaps.config import STRICT_KEYS, check_size, setting
from nsfwcaps.enums import ColumnNames
from nsfwcaps.stages.ingest.settings import check_kept


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
    near_image: Annotated[int, Ge(0), Le(256)] = setting(
        32,
        "Images whose perceptual hashes differ in at most so many of 256 bits stay in one split; "
        "0: only equal files.",
    )
    group_column: tuple[str, ...] = setting(
        (),
        "Columns such as coco_image_id: pairs with an equal value stay in one split. Ingest must "
        "keep them (--keep-columns); build does so itself.",
    )
    seed: Annotated[int, Ge(0)] = setting(0, "Seed of the split and of the safe items.")
    carry_images: bool = setting(
        True,
        "Store images in the data set, as training needs; otherwise link them by path and hash.",
    )
    safe_items: Annotated[int, Ge(0)] = setting(
        25_000,
        "Safe captions with images, drawn from the whole pool, to preserve in training; at most "
        "so many.",
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
    other_review: bool = setting(
        False,
        "Accept a review that does not continue from the one that the data set being replaced "
        "was published from.",
        affects_output=False,
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
        if self.group_column:
            check_kept("group_column", self.group_column)
