"""Pairs of a published data set, one at a time, by stage and category."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from nsfwcaps.errors import ArtifactError

NO_CATEGORY = "none"


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A pair as a person sees it; the captions are shown only when asked for."""

    pair_id: str
    category: str
    stage: str
    split: str
    difficulty: float
    sim_text: float
    hub_count: int
    unsafe_caption: str
    safe_caption: str


class PairSet:
    """The pairs of a data set folder, sorted from easy to hard."""

    def __init__(self, folder: Path) -> None:
        """Open the folder.

        Raises:
            ArtifactError: it is not a published data set.
        """
        columns = list(Pair.__dataclass_fields__)
        try:
            table = ds.dataset(str(folder / "data"), format="parquet").to_table(columns=columns)
        except (OSError, pa.ArrowException):
            raise ArtifactError(
                f"{folder}: no data set to show; name the folder that 'nsfwcaps publish' wrote "
                "(RUN/dataset)"
            ) from None
        category = pc.fill_null(table["category"], NO_CATEGORY)
        table = table.set_column(table.schema.get_field_index("category"), "category", category)
        self._table = table.sort_by([("difficulty", "ascending"), ("pair_id", "ascending")])

    def counts(self, column: str) -> dict[str, int]:
        """How many pairs have each value of `category`, `stage` or `split`."""
        counted: list[Any] = pc.value_counts(self._table[column]).to_pylist()
        return {
            item["values"]: item["counts"] for item in sorted(counted, key=lambda i: i["values"])
        }

    def choose(self, categories: Sequence[str], stages: Sequence[str]) -> list[int]:
        """Row numbers of the pairs of some categories and stages, easiest first."""
        wanted = pc.and_(
            pc.is_in(self._table["category"], value_set=pa.array(categories, pa.string())),
            pc.is_in(self._table["stage"], value_set=pa.array(stages, pa.string())),
        )
        rows: list[int] = pc.indices_nonzero(wanted).to_pylist()
        return rows

    def pair(self, row: int) -> Pair:
        """One pair."""
        return Pair(**self._table.slice(row, 1).to_pylist()[0])

    def __len__(self) -> int:
        return int(self._table.num_rows)
