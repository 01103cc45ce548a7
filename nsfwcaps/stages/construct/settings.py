"""Settings of the stage construct: recipe keys and command-line options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, Le

from nsfwcaps.config import STRICT_KEYS, setting
from nsfwcaps.enums import Category, Device
from nsfwcaps.models import names


@dataclass(frozen=True, kw_only=True)
class ConstructSettings:
    """Write unsafe counterparts of safe captions: closely aligned pairs, balanced by category."""

    __pydantic_config__ = STRICT_KEYS

    pool: tuple[str, ...] = setting((), "Pool of safe captions: file, folder, glob or URL.")
    n: Annotated[int, Ge(1)] = setting(1000, "Pairs to make.")
    editor: str = setting(
        "rules",
        "What edits: rules (no model); world, for captions of the icon world; openai:URL#MODEL; "
        "local:FOLDER of a chat model.",
    )
    category: tuple[Category, ...] = setting(
        ("violence", "illegal activity", "self-harm", "shocking"),
        "Category of I2P to edit into; with a model also hate, harassment, sexual content.",
    )
    share: tuple[str, ...] = setting((), "Weight of a category's quota, as violence=2.")
    tries: Annotated[int, Ge(1)] | None = setting(
        None,
        "Edits to ask for per wanted pair; default: 10 by rules or world, and at least 500 in all, "
        "3 by a model.",
    )
    aligner: str = setting(
        "minilm", "Encoder that measures alignment; not one that will be tested on the pairs."
    )
    min_alignment: Annotated[float, Ge(-1), Le(1)] = setting(0.7, "Least cosine of a pair.")
    max_added: Annotated[int, Ge(1)] = setting(12, "Most words that an edit adds.")
    max_removed: Annotated[int, Ge(0)] = setting(
        3, "Most words that a model's edit removes; the rules remove none."
    )
    max_words: Annotated[int, Ge(1)] = setting(40, "Most words of a caption.")
    element_share: Annotated[float, Gt(0), Le(1)] = setting(
        0.15, "Most of a category's quota that is one element."
    )
    near_duplicate: Annotated[float, Gt(0), Le(1)] = setting(
        0.95, "Of captions with at least this cosine one is taken, and none of an excluded file."
    )
    exclude: tuple[str, ...] = setting(
        (), "File of a benchmark whose captions, or their near-duplicates, may not be used."
    )
    image_hashes: tuple[str, ...] = setting(
        (), "File of sha256 digests, one a line, of images to leave out."
    )
    detector: tuple[str, ...] = setting(
        (), "Text detector that must find the safe captions safe, such as profanity."
    )
    edit_detector: tuple[str, ...] = setting(
        (),
        "Text detector that must find the edited captions unsafe; one whose labels have categories "
        "(transformers:FOLDER#LABEL=CATEGORY), of the category asked for.",
    )
    caption_column: str | None = setting(None, "Column with the caption, where not recognised.")
    images: bool = setting(True, "Carry along the images that the pool has.")
    image_column: str | None = setting(None, "Column with the image's path or bytes.")
    image_root: str | None = setting(
        None, "Folder or URL that relative image paths start from; default: the pool's folder."
    )
    max_chars: Annotated[int, Ge(1)] = setting(2000, "Longer captions are set aside.")
    seed: Annotated[int, Ge(0)] = setting(0, "Seed of order, places and elements.")
    shard_rows: Annotated[int, Ge(1)] = setting(16384, "Captions per Parquet file.")
    parallel: Annotated[int, Ge(1)] = setting(
        8, "Requests to an endpoint at once.", affects_output=False
    )
    requests_per_minute: Annotated[float, Gt(0)] | None = setting(
        None, "Most requests to an endpoint a minute.", affects_output=False
    )
    timeout: Annotated[float, Gt(0)] = setting(
        120.0, "Seconds to wait for an answer.", affects_output=False
    )
    attempts: Annotated[int, Ge(1)] = setting(
        6, "Times to ask an endpoint before giving up.", affects_output=False
    )
    device: Device = setting(Device.AUTO, "auto: the GPU when there is one.", affects_output=False)
    batch_tokens: Annotated[int, Ge(1)] = setting(
        4096, "Padded tokens per text batch.", affects_output=False
    )

    def __post_init__(self) -> None:
        if not self.category:
            raise ValueError("category: name at least one")
        if wrong := names.problem(self.aligner):
            raise ValueError(wrong.replace("model", "aligner", 1))
