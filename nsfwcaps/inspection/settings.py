"""Settings of an inspection: those of ingest that say how a pool is read, and a few of its own."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from annotated_types import Ge

from nsfwcaps.captions.tables.column_names import Label
from nsfwcaps.config import STRICT_KEYS, setting
from nsfwcaps.enums import Quoting
from nsfwcaps.stages.ingest.settings import IngestSettings

_OF_INGEST = {field.name: field for field in dataclasses.fields(IngestSettings)}


def _same(name: str) -> Any:
    """A setting with the default and the help that it has in ingest."""
    field = _OF_INGEST[name]
    return dataclasses.field(default=field.default, metadata=field.metadata)


@dataclass(frozen=True, kw_only=True)
class InspectSettings:
    """How a pool is read, as in ingest, and for which model."""

    __pydantic_config__ = STRICT_KEYS

    side: Label | None = dataclasses.field(
        default=None,
        metadata={
            "help": "safe or unsafe: what the pool is for. Default: both, where they differ.",
            "metavar": "<str>",  # leaves room for the flags
        },
    )
    model: str | None = setting(
        None, "Encoder whose window counts. Default: mini for pools with images, else minilm."
    )
    caption_column: str | None = _same("caption_column")
    safe_caption_column: str | None = _same("safe_caption_column")
    unsafe_caption_column: str | None = _same("unsafe_caption_column")
    caption_path: str | None = _same("caption_path")
    safe_caption_path: str | None = _same("safe_caption_path")
    unsafe_caption_path: str | None = _same("unsafe_caption_path")
    images: bool = _same("images")
    image_column: str | None = _same("image_column")
    safe_image_column: str | None = _same("safe_image_column")
    unsafe_image_column: str | None = _same("unsafe_image_column")
    safe_image: str | None = _same("safe_image")
    unsafe_image: str | None = _same("unsafe_image")
    image_root: str | None = _same("image_root")
    category_column: str | None = _same("category_column")
    partner_column: str | None = _same("partner_column")
    label_column: str | None = setting(
        None, "Column with safe or unsafe, if the pool has both kinds."
    )
    config: str | None = _same("config")
    split: str | None = _same("split")
    delimiter: str | None = _same("delimiter")
    encoding: str | None = _same("encoding")
    quoting: Quoting = _same("quoting")
    header: bool = _same("header")
    max_chars: Annotated[int, Ge(1)] = _same("max_chars")
    null_words: bool = _same("null_words")

    def __post_init__(self) -> None:
        self.of_ingest((), self.side)  # raises ValueError for the same values as ingest
        if self.side is not None and self.label_column is not None:
            raise ValueError("side and label_column exclude each other; give one of them")

    def of_ingest(self, pools: Sequence[str], label: Label | None) -> IngestSettings:
        """Return the settings with which ingest would read the pools as this side."""
        role = label.value if label is not None else "pool"
        mine = {field.name for field in dataclasses.fields(self)} & _OF_INGEST.keys()
        shared: dict[str, Any] = {name: getattr(self, name) for name in mine}
        return IngestSettings(**{**shared, role: tuple(pools)})
