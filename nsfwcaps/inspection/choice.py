"""Which pairs to show: filters, and the order."""

from __future__ import annotations

import difflib
import enum
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nsfwcaps.errors import ArtifactError, ConfigError
from nsfwcaps.inspection.pairs import NO_CATEGORY, PairTable
from nsfwcaps.inspection.plain import label

if TYPE_CHECKING:
    import pyarrow as pa

_LISTED = 12


class PairOrder(enum.StrEnum):
    """Order of the pairs shown."""

    RANDOM = "random"
    SIMILARITY = "similarity"
    """Highest cosine first."""
    DISSIMILARITY = "dissimilarity"
    """Lowest cosine first."""
    HARDEST = "hardest"
    """Highest difficulty first."""


@dataclass(frozen=True, kw_only=True)
class PairChoice:
    """Filters, of which all must hold, and the order. Ids may be given by their first digits."""

    n: int = 20
    stage: Sequence[str] = ()
    category: Sequence[str] = ()
    split: Sequence[str] = ()
    below: float | None = None
    above: float | None = None
    target: str | None = None
    unsafe: str | None = None
    order: PairOrder = PairOrder.RANDOM
    seed: int = 0

    def described(self) -> Iterator[str]:
        """Yield the filters in words."""
        for name, values in (("level", self.stage), ("category", self.category)):
            if values:
                yield f"{name} {' or '.join(map(label, values))}"
        if self.split:
            yield f"split {' or '.join(map(label, self.split))}"
        if self.above is not None:
            yield f"cosine at least {self.above:g}"
        if self.below is not None:
            yield f"cosine below {self.below:g}"
        if self.target:
            yield f"target {label(self.target)}"
        if self.unsafe:
            yield f"unsafe caption {label(self.unsafe)}"


def choose_pairs(pairs: PairTable, choice: PairChoice) -> tuple[pa.Table, int]:
    """Return the pairs to show, in order, and the number of those that match.

    Raises:
        ConfigError: a category, level or split does not exist, or the cosines exclude each other.
        ArtifactError: the pairs have no levels or splits yet.
    """
    import pyarrow.compute as pc

    if choice.above is not None and choice.below is not None and choice.above >= choice.below:
        raise ConfigError(
            f"--above {choice.above:g} and --below {choice.below:g} leave no cosine; expected "
            "--above to be the smaller one"
        )
    if pairs.table.num_rows == 0:
        return pairs.table, 0
    if choice.order is PairOrder.HARDEST:
        _need(pairs, "difficulty", f"--order {choice.order}")
    table = pairs.table
    for name, values in (
        ("stage", choice.stage),
        ("category", choice.category),
        ("split", choice.split),
    ):
        if values:
            table = _with(pairs, table, name, values)
    if choice.above is not None:
        table = table.filter(pc.greater_equal(table["cosine"], choice.above))
    if choice.below is not None:
        table = table.filter(pc.less(table["cosine"], choice.below))
    for name, start in (("safe_id", choice.target), ("unsafe_id", choice.unsafe)):
        if start:
            table = table.filter(pc.starts_with(table[name], start.lower()))
    return table.take(_places(table, choice)), table.num_rows


def _places(table: pa.Table, choice: PairChoice) -> pa.Array:
    """Return the rows to show; ties by pair id."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if choice.order is PairOrder.RANDOM:
        ordered = pc.sort_indices(table, sort_keys=[("pair_id", "ascending")])
        mixed = np.random.default_rng(choice.seed).permutation(table.num_rows)
        return ordered.take(pa.array(mixed[: choice.n]))
    by = {
        PairOrder.SIMILARITY: ("cosine", "descending"),
        PairOrder.DISSIMILARITY: ("cosine", "ascending"),
        PairOrder.HARDEST: ("difficulty", "descending"),
    }[choice.order]
    return pc.sort_indices(table, sort_keys=[by, ("pair_id", "ascending")])[: choice.n]


def _with(pairs: PairTable, table: pa.Table, name: str, values: Sequence[str]) -> pa.Table:
    """Return the pairs whose column is one of the values, in any case of letters."""
    import pyarrow as pa
    import pyarrow.compute as pc

    _need(pairs, name, f"--{name}")
    column = pc.fill_null(table[name].cast("string"), NO_CATEGORY)
    whole = pc.fill_null(pairs.table[name].cast("string"), NO_CATEGORY)
    counts = Counter(
        {item["values"]: item["counts"] for item in pc.value_counts(whole).to_pylist()}
    )
    spelt: list[str] = []
    for value in values:
        same = [there for there in counts if there.casefold() == value.casefold()]
        if not same:
            raise ConfigError(_unknown(name, value, counts))
        spelt += [value] if value in same else same
    return table.filter(pc.is_in(column, value_set=pa.array(spelt, pa.string())))


def _unknown(name: str, value: str, counts: Counter[str]) -> str:
    """Say which values there are."""
    there = [label(item) for item, _ in counts.most_common()]
    close = difflib.get_close_matches(value, there, n=1)
    hint = f"did you mean '{close[0]}'? " if close else ""
    more = f" and {len(there) - _LISTED:,} more" if len(there) > _LISTED else ""
    return (
        f"--{name}: no pair has '{label(value)}'; {hint}there are: "
        f"{', '.join(there[:_LISTED])}{more}"
    )


def _need(pairs: PairTable, column: str, option: str) -> None:
    if pairs.has(column):
        return
    of = f"pairs of {pairs.stage}" if pairs.stage else "pairs"
    run = {"stage": "grade", "difficulty": "grade", "split": "publish"}.get(column)
    advice = (
        f"run 'nsfwcaps {run} --workdir {shlex.quote(str(pairs.folder))}' first"
        if run
        else "run ingest again"
    )
    raise ArtifactError(f"{option}: the {of} have no {_NOUNS.get(column, column)}; {advice}")


_NOUNS = {"stage": "levels", "difficulty": "difficulties", "split": "splits"}
