"""What the user says of a pool's files; the rest is recognised."""

from __future__ import annotations

from dataclasses import dataclass

from nsfwcaps.captions.folders.choices import ALL, DEFAULT_OR_ALL
from nsfwcaps.enums import Quoting


@dataclass(frozen=True, kw_only=True)
class ReadOptions:
    """How the files of a pool are read. None: recognised by their content."""

    delimiter: str | None = None
    encoding: str | None = None
    quoting: Quoting = Quoting.AUTO
    header: bool = True
    """Whether the first line of a CSV or TSV file names its columns; else they are `0`, `1`, …"""
    config: str | None = None
    """Configuration of a Hugging Face folder; `all` for all."""
    split: str | None = None
    """Splits of a Hugging Face folder, joined by `+`; `all` for all."""


EVERYTHING = ReadOptions(config=ALL, split=ALL)
"""All configurations and splits of a folder, for commands that choose among the rows."""
ALL_SPLITS = ReadOptions(config=DEFAULT_OR_ALL, split=ALL)
"""All splits of a folder's default configuration; of all configurations where it has no default."""
