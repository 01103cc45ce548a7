"""What is asked of an export of pairs, and the count of what was written and left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nsfwcaps.enums import Split
from nsfwcaps.exports.formats import ItemKind, Negatives
from nsfwcaps.exports.pair_files import PairFiles
from nsfwcaps.progress import Advance


@dataclass(frozen=True, kw_only=True)
class ExportRequest:
    """Which pairs are exported, and how."""

    pairs: PairFiles
    splits: Sequence[Split]
    negatives: Negatives
    count: int
    """Negatives of each example, at most."""
    items: Sequence[ItemKind]
    columns: Sequence[str]
    """Columns of the data set that are carried along, where the format has room for them."""
    shard_rows: int
    """Samples of a tar file."""
    out: Path
    """Where the export will be, absolute; it is written elsewhere first."""


@dataclass(kw_only=True)
class ExportTally:
    """Counts of an export."""

    advance: Advance
    written: dict[str, int] = field(default_factory=dict)
    """Examples or samples, by split."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Rows or pictures that were not written, by reason."""
    converted: int = 0
    """Pictures rewritten as PNG, since the reader knows no other lossless format."""

    def wrote(self, split: Split) -> int:
        """Count one more in a split; return its number, from 0."""
        number = self.written.get(split.value, 0)
        self.written[split.value] = number + 1
        return number
