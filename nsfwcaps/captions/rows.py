"""Rows of a pool as the readers yield them, and the choice of the columns that are read."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from nsfwcaps.captions.tables.column_names import KNOWN_NAMES, folded

Row = dict[str, Any]

_MOST_NAMES = 256
PEEK_ROWS = 64
"""Rows that columns are recognised by."""


@dataclass(frozen=True, slots=True)
class BadRow:
    """An unparsable row; `raw` holds its bytes."""

    reason: str
    raw: bytes


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Columns of a pool, with its first rows."""

    names: Sequence[str]
    """Names as written. The second column of one name gets `.1`, as in pandas."""
    rows: Sequence[Row] = ()
    binary: frozenset[str] = frozenset()
    """Columns of bytes, such as images, which the rows leave out."""
    images_elsewhere: bool = False
    """Whether the images may lie in another folder, as those of caption sets do."""
    notes: Mapping[str, str] = field(default_factory=dict)
    """What the reader found out by itself, such as the encoding."""


Choose = Callable[[Sample], Sequence[str]]
"""Selects the needed columns of a pool; raises `InputError` if one is missing."""


def row_wise(
    rows: Iterator[Row | BadRow],
    choose: Choose,
    notes: Mapping[str, str] | None = None,
    *,
    images_elsewhere: bool = False,
) -> Iterator[Row | BadRow]:
    """Yield the rows after `choose` has seen the first ones.

    It is called again when a later row has a new column, as in JSON lines with optional keys.
    """
    for row in rows:
        if isinstance(row, dict):
            rows = itertools.chain([row], rows)
            break
        yield row
    first = list(itertools.islice(rows, PEEK_ROWS))
    if not first:
        return
    sample = [row for row in first if isinstance(row, dict)]
    names = dict.fromkeys(key for row in sample for key in row)
    of_pool = partial(Sample, images_elsewhere=images_elsewhere, notes=notes or {})
    choose(of_pool(names=list(names), rows=sample))
    known = names.keys()
    yield from first
    for row in rows:
        if isinstance(row, dict) and not row.keys() <= known:
            # Rows keyed by their own ids would bring new names for ever.
            of_interest = len(names) < _MOST_NAMES or any(
                folded(name) in KNOWN_NAMES for name in row.keys() - known
            )
            names |= dict.fromkeys(row)
            known = names.keys()
            if of_interest:
                choose(of_pool(names=list(names), rows=[*sample, row]))
        yield row


def unique(names: Sequence[str]) -> list[str]:
    """Number repeated names as pandas does: `caption`, `caption.1`.

    >>> unique(["caption", "url", "caption"])
    ['caption', 'url', 'caption.1']
    """
    found: list[str] = []
    taken = set(names)
    seen: set[str] = set()
    for name in names:
        number, own = 0, name
        while own in seen or (number and own in taken):
            number += 1
            own = f"{name}.{number}"
        seen.add(own)
        found.append(own)
    return found
