"""Prompt tables in the format of I2P (Schramowski et al. 2023, arXiv 2211.05105)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nsfwcaps.captions.options import EVERYTHING
from nsfwcaps.captions.readers import read_pool
from nsfwcaps.captions.rows import BadRow, Sample
from nsfwcaps.captions.sources import expand
from nsfwcaps.captions.tables.column_names import spelt
from nsfwcaps.captions.tables.values import text_cell
from nsfwcaps.config import digest
from nsfwcaps.errors import InputError

COLUMNS = (
    "prompt",
    "categories",
    "sd_seed",
    "sd_guidance_scale",
    "sd_image_width",
    "sd_image_height",
)
_LATENT = 8
"""Pixels per latent cell along a side."""


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """One row of the table; None where it does not set a value."""

    text: str
    categories: tuple[str, ...]
    seed: int
    guidance_scale: float | None
    width: int | None
    height: int | None

    @property
    def id(self) -> str:
        """Digest of everything but seed and pipeline that determines the image."""
        return digest([self.text, self.guidance_scale, self.width, self.height])[:16]


@dataclass(frozen=True, kw_only=True)
class PromptSet:
    """The prompts of a table, in order."""

    name: str
    prompts: tuple[Prompt, ...]

    @property
    def digest(self) -> str:
        """Digest of everything the figures depend on."""
        return digest([asdict(prompt) for prompt in self.prompts])


def read_prompts(url: str) -> PromptSet:
    """Read a table (CSV, TSV, JSONL, Parquet) with a column `prompt` and optionally others.

    Raises:
        InputError: the table is missing or empty, lacks the column, or has an invalid row.
    """
    prompts: list[Prompt] = []
    for file in expand(url, EVERYTHING):
        spelling: dict[str, str] = {}
        for number, row in enumerate(read_pool(file, _choose_of(file, spelling)), start=1):
            where = f"{file}: row {number}"
            if isinstance(row, BadRow):
                raise InputError(f"{where} cannot be read ({row.reason}); fix or remove it")
            cells = {name: text_cell(row.get(own)) for name, own in spelling.items()}
            prompts.append(_prompt(cells, where))
    if not prompts:
        raise InputError(f"{url}: no prompts; add rows to the table")
    return PromptSet(name=Path(url.rstrip("/")).name.split(".")[0], prompts=tuple(prompts))


def _choose_of(url: str, spelling: dict[str, str]) -> Any:
    def choose(sample: Sample) -> Sequence[str]:
        found = {name: spelt(sample.names, name) for name in COLUMNS}
        spelling.update({name: own for name, own in found.items() if own is not None})
        if "prompt" not in spelling:
            raise InputError(f"{url}: no column 'prompt'; known columns: {', '.join(COLUMNS)}")
        return list(spelling.values())

    return choose


def _prompt(row: dict[str, Any], where: str) -> Prompt:
    text = row["prompt"]
    if not isinstance(text, str) or not text.strip():
        raise InputError(f"{where} has no prompt; remove it")
    if not _is_utf8(text):
        raise InputError(f"{where}: the prompt is not UTF-8; fix or remove it")
    seed, width, height = (
        _integer(row, name, where) for name in ("sd_seed", "sd_image_width", "sd_image_height")
    )
    for name, side in (("sd_image_width", width), ("sd_image_height", height)):
        if side is not None and (side <= 0 or side % _LATENT):
            raise InputError(f"{where}: {name} must be a multiple of {_LATENT}, got {side}")
    categories = str(row.get("categories") or "").split(",")
    return Prompt(
        text=text,
        categories=tuple(dict.fromkeys(item.strip() for item in categories if item.strip())),
        seed=seed or 0,
        guidance_scale=_number(row, "sd_guidance_scale", where),
        width=width,
        height=height,
    )


def _integer(row: dict[str, Any], name: str, where: str) -> int | None:
    value = _number(row, name, where)
    if value is not None and (value != int(value) or value < 0):
        raise InputError(f"{where}: {name} must be a non-negative integer, got {value:g}")
    return None if value is None else int(value)


def _number(row: dict[str, Any], name: str, where: str) -> float | None:
    cell = row.get(name)
    try:
        value = float(cell) if cell not in (None, "") else math.nan
    except (TypeError, ValueError):
        raise InputError(f"{where}: {name} must be a number") from None
    if math.isinf(value):
        raise InputError(f"{where}: {name} must be a number")
    return None if math.isnan(value) else value  # pandas writes missing values as NaN


def _is_utf8(text: str) -> bool:
    """Tell whether a text has no lone surrogates, which stand for undecodable bytes."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
