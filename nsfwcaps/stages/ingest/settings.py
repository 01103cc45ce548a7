"""Settings of the stage ingest: recipe keys and command-line options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge

from nsfwcaps.config import STRICT_KEYS, Fraction, setting


@dataclass(frozen=True, kw_only=True)
class IngestSettings:
    """Read caption pools, clean them, fold duplicates, and give every caption its content id."""

    __pydantic_config__ = STRICT_KEYS

    safe: tuple[str, ...] = setting((), "Pool of safe captions: file, folder, glob or URL.")
    unsafe: tuple[str, ...] = setting((), "Pool of unsafe captions: file, folder, glob or URL.")
    pool: tuple[str, ...] = setting((), "Pool of both kinds; needs --label-column.")
    caption_column: str | None = setting(None, "Column with the caption, where not recognised.")
    safe_caption_column: str | None = setting(
        None, "The same for the safe pools, where theirs has another name."
    )
    unsafe_caption_column: str | None = setting(
        None, "The same for the unsafe pools, where theirs has another name."
    )
    images: bool = setting(True, "Use the images that captions come with.")
    image_column: str | None = setting(None, "Column with the image's path or bytes.")
    safe_image_column: str | None = setting(
        None, "The same for the safe pools, where one file holds both sides' images."
    )
    unsafe_image_column: str | None = setting(None, "The same for the unsafe pools.")
    image_root: str | None = setting(
        None, "Folder or URL that relative image paths start from; default: the pool's folder."
    )
    category_column: str | None = setting(None, "Column with the unsafe category.")
    partner_column: str | None = setting(
        None,
        "Column of an unsafe pool with the safe caption, or its id, that each row came with; "
        "recognised in known sets.",
    )
    label_column: str | None = setting(None, "Column that says safe or unsafe, for --pool.")
    max_chars: Annotated[int, Ge(1)] = setting(2000, "Longer captions are set aside.")
    max_reject_share: Fraction = setting(
        0.05, "Stop when more than this share of a pool's rows is unusable."
    )
    shard_rows: Annotated[int, Ge(1)] = setting(16384, "Captions per shard.")

    def __post_init__(self) -> None:
        if self.pool and self.label_column is None:
            raise ValueError("a mixed pool needs label_column: the column that says safe or unsafe")
