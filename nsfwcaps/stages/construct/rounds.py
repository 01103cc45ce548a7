"""construct, step 5: ask for edits block by block until the quotas can be filled, and select.

    requests ─ edit, check (`edit`) ─ enough candidates? ─ select ─ a quota unfilled? ─▶ more

A category that has enough candidates gets no more requests, which leaves them to the others. With
a number of requests that the user set, all of them are asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import Any

import numpy as np

from nsfwcaps import schema
from nsfwcaps.artifacts import Shard, StageFolder
from nsfwcaps.construction import selection
from nsfwcaps.construction.editors.editor import EditRequest
from nsfwcaps.construction.selection import Candidate, FilledQuota
from nsfwcaps.enums import Category, Device
from nsfwcaps.progress import Advance
from nsfwcaps.stages.construct.settings import ConstructSettings
from nsfwcaps.tables import read_tables
from nsfwcaps.vectors.index import BlockSearch, Rows
from nsfwcaps.vectors.near_duplicates import near_duplicates
from nsfwcaps.vectors.nearest import HeldTable
from nsfwcaps.vectors.store import VectorTable

_ENOUGH = 3
"""Candidates per wanted pair of a category, to choose from; as many more where they fall short."""
_NEAR_ROWS = 4096
_BLOCK_ROWS = 16_384

Row = dict[str, Any]


@dataclass(kw_only=True)
class Rounds:
    """Requests in order, and what came of those asked so far."""

    order: Iterator[EditRequest]
    edit: Callable[[Sequence[EditRequest], Advance], Shard]
    """Edits and checks a block of requests."""
    quota: Mapping[Category, int]
    at_most: int
    """Number of requests."""
    block: int
    """Requests in a block."""
    all: bool
    """Whether to ask as many as possible, even where there are enough candidates."""
    enough: dict[Category, int] = field(init=False)
    """Candidates of each category at which it gets no more requests."""
    blocks: list[Shard] = field(default_factory=list)
    requests: Counter[Category] = field(default_factory=Counter)
    _waiting: list[EditRequest] = field(default_factory=list)
    """Requests passed over, in order."""

    def __post_init__(self) -> None:
        self.enough = {category: _ENOUGH * wanted for category, wanted in self.quota.items()}

    def ask(self, advance: Advance) -> bool:
        """Ask until each category has enough candidates; False if nothing was left to ask.

        Raises:
            ModelError: the editor cannot continue; answers so far are kept.
        """
        asked = False
        order, self._waiting = chain(self._waiting, self.order), []
        while part := self._next(order):
            asked = True
            self.requests.update(request.category for request in part)
            self.blocks.append(self.edit(part, advance))
        self.order = order
        return asked

    @property
    def candidates(self) -> Counter[Category]:
        """Number of candidates by category."""
        found = Counter[Category]()
        for shard in self.blocks:
            found.update({Category(name): n for name, n in shard.facts["by_category"].items()})
        return found

    def want_more(self, categories: Iterable[Category]) -> None:
        """Raise what is enough for some categories."""
        found = self.candidates
        self.enough |= {item: found[item] + _ENOUGH * self.quota[item] for item in categories}

    def _next(self, order: Iterator[EditRequest]) -> list[EditRequest]:
        """Return the next block of requests, of categories without enough candidates."""
        found = self.candidates
        lacking = {
            category
            for category in self.quota
            if self.all or found[category] < self.enough[category]
        }
        if not lacking:
            return []
        return [
            *islice(self._of(lacking, order), min(self.block, self.at_most - self.requests.total()))
        ]

    def _of(self, wanted: set[Category], order: Iterator[EditRequest]) -> Iterator[EditRequest]:
        for request in order:
            if request.category in wanted:
                yield request
            else:
                self._waiting.append(request)


@dataclass(frozen=True, kw_only=True)
class Selected:
    """The selected pairs, as rows of the candidates, and the result of each category."""

    rows: list[Row]
    candidates: int
    filled: Mapping[Category, FilledQuota]


def select_in_rounds(
    rounds: Rounds, select: Callable[[Rounds], Selected], advance: Advance
) -> Selected:
    """Ask and select until every quota is filled, or nothing is left to ask."""
    while True:
        asked = rounds.ask(advance)
        made = select(rounds)
        lacking = [category for category, item in made.filled.items() if item.missing]
        if not asked or not lacking:
            return made
        rounds.want_more(lacking)


def selected(rounds: Rounds, settings: ConstructSettings, folder: StageFolder) -> Selected:
    """Select the pairs from the candidates of all blocks so far."""
    edits = _Edits(rounds.blocks, folder)
    chosen, filled = selection.select(
        edits.candidates,
        rounds.quota,
        _near(edits, settings),
        element_share=settings.element_share,
        seed=settings.seed,
    )
    rows = [edits.rows[at] for at in chosen]
    return Selected(rows=rows, candidates=len(edits.candidates), filled=filled)


class _Edits:
    """Candidates of all blocks `[n]`, and the files of their vectors."""

    def __init__(self, blocks: list[Shard], folder: StageFolder) -> None:
        def paths(group: str) -> list[Any]:
            files = [file for block in blocks for file in block.files if file.group == group]
            return [folder.path / file.path for file in files]

        self.paths = {group: paths(group) for group in ("candidates", "partners")}
        names = [name for name in schema.candidate_edits(1).names if name != "vector"]
        self.rows: list[Row] = [
            row for table in read_tables(paths("candidates"), names) for row in table.to_pylist()
        ]
        self.candidates = [
            Candidate(
                id=row["id"],
                safe_id=row["safe_id"],
                category=Category(row["category"]),
                element=row["element"],
                template=row["template"],
                alignment=row["alignment"],
            )
            for row in self.rows
        ]


def _near(edits: _Edits, settings: ConstructSettings) -> tuple[Rows, Rows]:
    """Return edges between candidates whose safe or unsafe captions are near-duplicates."""
    left, right = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    search = BlockSearch(Device.CPU)
    for paths in edits.paths.values():
        table = VectorTable(paths)
        pool = HeldTable(table, search, block_rows=_BLOCK_ROWS)
        for start in range(0, table.rows, _NEAR_ROWS):
            stop = min(start + _NEAR_ROWS, table.rows)
            found = near_duplicates(pool, start, stop, settings.near_duplicate)
            left.append(found[0])
            right.append(found[1])
    return np.concatenate(left), np.concatenate(right)
