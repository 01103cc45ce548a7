"""Facts of a pool and of its captions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

COVER = "▇▇▇"
"""Shown in place of a caption."""


@dataclass(frozen=True, kw_only=True)
class Spread:
    """Distribution of a number over captions or pictures."""

    smallest: int
    median: int
    most: int
    """Value that 95 % of them do not exceed."""
    largest: int

    @classmethod
    def of(cls, values: Sequence[int]) -> Spread | None:
        """Summarise values; None if there are none."""
        ordered = sorted(values)
        if not ordered:
            return None
        at = len(ordered) - 1
        return cls(
            smallest=ordered[0],
            median=ordered[at // 2],
            most=ordered[-(-95 * len(ordered) // 100) - 1],
            largest=ordered[-1],
        )


@dataclass(frozen=True, kw_only=True)
class TokenFacts:
    """Tokens of the captions against the window of an encoder."""

    model: str
    window: int
    """Tokens that the encoder reads, special ones included."""
    languages: str
    """Languages that the encoder was trained to read."""
    spread: Spread | None
    truncated: int
    """Captions with more tokens, whose end the encoder does not read."""


@dataclass(frozen=True, kw_only=True)
class PictureFacts:
    """Pictures of the captions that were read."""

    named: int
    """Captions with a picture."""
    missing: int
    """Captions whose picture was not found: ingest sets them aside."""
    decoded: int
    """Pictures decoded, of the first ones."""
    undecodable: int
    """Pictures of these that cannot be decoded."""
    widths: Spread | None
    """Of the decoded pictures, in pixels."""
    heights: Spread | None


@dataclass(frozen=True, kw_only=True)
class CoveredRow:
    """One caption. Its text is not part of the `repr`."""

    id: str
    file: str
    row: int
    """Number of its row in its file, from 0."""
    characters: int
    words: int
    tokens: int | None
    category: str | None
    caption: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class SideFacts:
    """The captions that were read, as a pool of one side."""

    label: str
    """`safe`, `unsafe`, or `by column` for a pool of both."""
    used: Mapping[str, str]
    """Column names by role, such as `{"caption": "prompt"}`."""
    ignored: Sequence[str]
    """Columns that are not read."""
    columns: Sequence[str]
    """Lines with the columns, as ingest prints them."""
    captions: int
    """Usable captions; a row may hold several."""
    unusable: Mapping[str, int]
    """Captions and rows that ingest would set aside, by reason."""
    labels: Mapping[str, int]
    """Captions by side, for a pool of both."""
    exact_copies: int
    """Captions whose text and picture came before."""
    near_copies: int
    """Texts that differ from an earlier one only in case, punctuation or width."""
    characters: Spread | None
    words: Spread | None
    tokens: TokenFacts | None
    """None if the tokenizer of the model cannot be loaded alone."""
    scripts: Mapping[str, int]
    """Captions by the script of most of their letters, most frequent first."""
    non_latin: int
    """Captions with more than half of their letters outside the Latin script."""
    hidden_characters: int
    """Captions that held characters which hide text or spoof its display."""
    categories: Mapping[str, int]
    """Captions by category, most frequent first."""
    several_categories: int
    """Captions with several categories; the first one counts."""
    pictures: PictureFacts | None
    """None if no column holds pictures."""
    examples: Sequence[CoveredRow]


@dataclass(frozen=True, kw_only=True)
class PoolFacts:
    """Format and rows of a pool, and its captions by side."""

    pool: str
    """Address of the pool, without the query of a URL."""
    files: int
    bytes: int
    """Stored size of the files; 0 if the store does not report it."""
    format: str
    """Kind of the files, such as `CSV`."""
    compression: str | None
    encoding: str | None
    """Of text files."""
    delimiter: str | None
    """Of CSV and TSV files."""
    configs: Sequence[str]
    """Configurations of a folder that were read; empty if it has none."""
    splits: Sequence[str]
    """Splits of a folder that were read; empty if it has none."""
    rows: int | None
    """Rows of the pool; None if its format does not allow an estimate."""
    rows_exact: bool
    """Whether `rows` was counted rather than estimated."""
    rows_read: int
    sample: str
    """Which rows were read, such as `all rows`."""
    sides: Sequence[SideFacts]
    """One for each side that differs."""
    problems: Mapping[str, str]
    """Why the pool cannot be read as a side, by label."""
