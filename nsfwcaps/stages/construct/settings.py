"""Settings of the stage construct: recipe keys and command-line options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, Le

from nsfwcaps.config import STRICT_KEYS, setting
from nsfwcaps.enums import Category, Device
from nsfwcaps.models import names

_CLEANING = "cleaning"
"""Panel of the help; with one panel for all, the columns would be too wide for 80."""


@dataclass(frozen=True, kw_only=True)
class ConstructSettings:
    """Write unsafe counterparts of safe captions: closely aligned pairs, balanced by category."""

    __pydantic_config__ = STRICT_KEYS

    pool: tuple[str, ...] = setting((), "Pool of safe captions: file, folder, glob or URL.")
    n: Annotated[int, Ge(1)] = setting(1000, "Pairs to make.")
    editor: str = setting(
        "rules",
        "Editor: rules (no model); world (captions of the icon world); openai:URL#MODEL; "
        "local:FOLDER (a chat model).",
    )
    category: tuple[Category, ...] = setting(
        ("violence", "illegal activity", "self-harm", "shocking"),
        "I2P category to edit into; with a model also hate, harassment, sexual content.",
    )
    share: tuple[str, ...] = setting((), "Weight of a category's quota, such as violence=2.")
    tries: Annotated[int, Ge(1)] | None = setting(
        None,
        "Edits to request per wanted pair. Default: 40 with rules or world, at least 2,000 in "
        "all; 3 with a model.",
    )
    aligner: str = setting(
        "minilm", "Encoder that measures alignment; use one that will not be tested on the pairs."
    )
    min_alignment: Annotated[float, Ge(-1), Le(1)] = setting(0.7, "Minimum cosine of a pair.")
    plausibility: str = setting(
        "aligner",
        "What ranks the edits that are proposed for a caption: aligner (its cosine) or "
        "local:FOLDER (a language model).",
    )
    min_plausibility: float | None = setting(
        None,
        "Minimum score by --plausibility: a cosine, or the log-probability of an added word.",
    )
    max_added: Annotated[int, Ge(1)] = setting(12, "Maximum words that an edit adds.")
    max_removed: Annotated[int, Ge(0)] = setting(
        3, "Maximum words that a model's edit removes; the rules remove none."
    )
    max_words: Annotated[int, Ge(1)] = setting(40, "Maximum words of a caption.")
    element_share: Annotated[float, Gt(0), Le(1)] = setting(
        0.15, "Maximum share of a category's quota with the same element."
    )
    near_duplicate: Annotated[float, Gt(0), Le(1)] = setting(
        0.95,
        "Captions with at least this cosine count as duplicates, of each other and of excluded "
        "files.",
    )
    exclude: tuple[str, ...] = setting(
        (), "Benchmark file; its captions and their near-duplicates are not used."
    )
    image_hashes: tuple[str, ...] = setting(
        (), "File of SHA-256 digests, one per line, of images to exclude."
    )
    detector: tuple[str, ...] = setting(
        (), "Text detector that must rate the safe captions safe, such as profanity."
    )
    edit_detector: tuple[str, ...] = setting(
        (),
        "Text detector that must rate the edited captions unsafe; with labels by category "
        "(transformers:FOLDER#LABEL=CATEGORY), in the requested category.",
    )
    caption_column: str | None = setting(None, "Caption column, if not recognised.")
    images: bool = setting(True, "Keep the images of the pool.")
    image_column: str | None = setting(None, "Column with image paths or bytes.")
    image_root: str | None = setting(
        None, "Folder or URL that relative image paths start from. Default: the pool's folder."
    )
    max_chars: Annotated[int, Ge(1)] = setting(
        2000, "Longer captions are set aside.", panel=_CLEANING
    )
    null_words: bool = setting(
        True,
        "Set aside captions that are a word for a missing value (nan, NULL, None), their column's "
        "name, or no words at all (a number, an address, mark-up).",
        panel=_CLEANING,
    )
    seed: Annotated[int, Ge(0)] = setting(0, "Seed of order, positions and elements.")
    shard_rows: Annotated[int, Ge(1)] = setting(16384, "Captions per Parquet file.")
    parallel: Annotated[int, Ge(1)] = setting(
        8, "Concurrent requests to an endpoint.", affects_output=False
    )
    requests_per_minute: Annotated[float, Gt(0)] | None = setting(
        None, "Maximum requests per minute to an endpoint.", affects_output=False
    )
    timeout: Annotated[float, Gt(0)] = setting(
        120.0, "Seconds to wait for a response.", affects_output=False
    )
    attempts: Annotated[int, Ge(1)] = setting(
        6, "Attempts per request before giving up.", affects_output=False
    )
    device: Device = setting(Device.AUTO, "auto: the GPU if there is one.", affects_output=False)
    batch_tokens: Annotated[int, Ge(1)] | None = setting(
        None,
        "Padded tokens per text batch. Default: as many as fit on a GPU; 4096 on a CPU.",
        affects_output=False,
    )

    def __post_init__(self) -> None:
        if not self.category:
            raise ValueError("category: name at least one")
        if wrong := names.problem(self.aligner):
            raise ValueError(wrong.replace("model", "aligner", 1))
