"""Settings of the stage ingest: recipe keys and command-line options."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge

from nsfwcaps.config import STRICT_KEYS, Fraction, setting
from nsfwcaps.enums import Device, Quoting, Screen

_DELIMITERS = ("tab", "\\t", "comma", "semicolon", "pipe", "space")

_CLEANING = "cleaning"
"""Panel of the help; with one panel for all, the columns would be too wide for 80."""


@dataclass(frozen=True, kw_only=True)
class IngestSettings:
    """Read caption pools, clean them, fold duplicates, and give every caption its content id."""

    __pydantic_config__ = STRICT_KEYS

    safe: tuple[str, ...] = setting((), "Pool of safe captions: file, folder, glob or URL.")
    unsafe: tuple[str, ...] = setting((), "Pool of unsafe captions: file, folder, glob or URL.")
    pool: tuple[str, ...] = setting((), "Pool with safe and unsafe captions; needs --label-column.")
    caption_column: str | None = setting(None, "Caption column, if not recognised.")
    safe_caption_column: str | None = setting(
        None, "Caption column of the safe pools, if different."
    )
    unsafe_caption_column: str | None = setting(
        None, "Caption column of the unsafe pools, if different."
    )
    caption_path: str | None = setting(
        None,
        "Keys to captions inside nested cells, such as gpt.value in conversations.",
    )
    safe_caption_path: str | None = setting(
        None, "The same for the safe pools, if only they are nested."
    )
    unsafe_caption_path: str | None = setting(None, "The same for the unsafe pools.")
    images: bool = setting(True, "Read the images of the captions.")
    image_column: str | None = setting(None, "Column with image paths or bytes.")
    safe_image_column: str | None = setting(
        None, "Image column of the safe pools, if one file holds the images of both sides."
    )
    unsafe_image_column: str | None = setting(None, "Image column of the unsafe pools.")
    safe_image: str | None = setting(
        None,
        "Path of each safe caption's image, made of its columns: {id:012d}.jpg.",
    )
    unsafe_image: str | None = setting(None, "The same for unsafe captions.")
    image_root: str | None = setting(
        None, "Folder or URL that relative image paths start from. Default: the pool's folder."
    )
    category_column: str | None = setting(None, "Column with the category of unsafe captions.")
    partner_column: str | None = setting(
        None,
        "Column of an unsafe pool with the safe partner of each row: its caption or its id. "
        "Recognised in known data sets.",
    )
    label_column: str | None = setting(None, "Column with safe or unsafe, for --pool.")
    config: str | None = setting(
        None, "Configuration of a Hugging Face folder, or all; needed if it has several."
    )
    split: str | None = setting(
        None,
        "Splits to read, such as train or train+validation, or all; needed if there are several.",
        joined="+",
    )
    delimiter: str | None = setting(
        None, "Delimiter of CSV and TSV files, such as ';' or tab. Default: recognised."
    )
    encoding: str | None = setting(
        None, "Encoding of text files, such as cp1252. Default: recognised."
    )
    quoting: Quoting = setting(
        Quoting.AUTO,
        "Meaning of quotes in CSV and TSV files; auto: in TSV only around whole cells.",
    )
    header: bool = setting(
        True, "Whether CSV and TSV files name their columns in a first line; otherwise 0, 1, 2."
    )
    keep_columns: tuple[str, ...] = setting(
        (),
        "Further columns of the pools, such as coco_id,license: published as unsafe_coco_id etc.",
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
    max_reject_share: Fraction = setting(
        0.05, "Stop if more than this share of a pool's rows is unusable.", panel=_CLEANING
    )
    screen: Screen = setting(
        Screen.FLAG,
        "Safe captions that name a hazard or have all words of an unsafe caption: flag (and "
        "count), drop or off.",
        panel=_CLEANING,
    )
    safe_detector: tuple[str, ...] = setting(
        (),
        "Text or image detector that must rate the safe captions or their images safe, such as "
        "profanity@0.8.",
        panel=_CLEANING,
    )
    exclude: tuple[str, ...] = setting(
        (), "Benchmark file; captions found in it are removed from both sides.", panel=_CLEANING
    )
    device: Device = setting(Device.AUTO, "auto: the GPU if there is one.", affects_output=False)
    shard_rows: Annotated[int, Ge(1)] = setting(16384, "Captions per shard.")

    def __post_init__(self) -> None:
        if self.pool and self.label_column is None:
            raise ValueError("a mixed pool needs label_column, the column with safe or unsafe")
        if len(self.delimiter or ";") != 1 and self.delimiter not in _DELIMITERS:
            raise ValueError(f"delimiter: expected one character or tab, got {self.delimiter!r}")
        if self.keep_columns:
            check_kept("keep_columns", self.keep_columns)


def check_kept(setting_name: str, names: tuple[str, ...]) -> None:
    """Check a setting that names columns to keep.

    Raises:
        ValueError: two names match the same columns, or a data set has such a column already.
    """
    from nsfwcaps.captions.tables import kept  # imported here, as both are slow to import
    from nsfwcaps.stages.ingest import keep

    if twice := kept.alike(names):
        raise ValueError(
            f"{setting_name}: '{twice[0]}' and '{twice[1]}' match the same columns; name one of "
            "them, or rename one in the pool to keep both"
        )
    if taken := keep.colliding(kept.listed(names)):
        raise ValueError(
            f"{setting_name}: '{taken}' cannot be kept, as data sets have unsafe_{taken} or a "
            "column of such a name already; rename it in the pool"
        )
