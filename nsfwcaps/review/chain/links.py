"""An append-only log in which every row carries the hash of the previous row.

Changing, removing or inserting a row breaks the chain there. Whoever can write to the database can
also rewrite the whole chain; only a head noted elsewhere (every export contains it) reveals
that.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass, replace


@dataclass(frozen=True, kw_only=True)
class Link:
    """One row of the log."""

    seq: int
    at: str
    account_id: str
    pair_id: str
    kind: str
    body: str
    previous: str
    hash: str = ""

    def sealed(self) -> Link:
        """Return a copy with its hash: sha256 of the JSON list of all other fields."""
        # Tampered fields may hold any type; they still get a hash, though a wrong one.
        text = json.dumps(
            astuple(self)[:-1], ensure_ascii=True, separators=(",", ":"), default=repr
        )
        return replace(self, hash=hashlib.sha256(text.encode()).hexdigest())


def genesis(review_id: str) -> str:
    """Return the hash before the first row. It is specific to the review."""
    return hashlib.sha256(f"nsfwcaps review {review_id}".encode()).hexdigest()


def faults(links: Iterable[Link], first: str, head: tuple[int, str]) -> Iterator[str]:
    """Yield the faults of a chain in row order; nothing if it is intact.

    Args:
        links: rows by number.
        first: hash that the first row must carry, from `genesis`.
        head: number and hash of the last row written.
    """
    seq, before = 0, first
    for link in links:
        if link.seq > seq + 1:
            yield f"{_rows(seq + 1, link.seq - 1)} missing"
        if link.sealed().hash != link.hash:
            yield f"row {link.seq} was changed"
        elif link.seq == seq + 1 and link.previous != before:
            yield f"row {link.seq} does not follow from row {seq}: a row was inserted or replaced"
        seq, before = link.seq, link.hash
    if head[0] > seq:
        yield f"{_rows(seq + 1, head[0])} missing at the end"
    elif head[0] == seq and head[1] != before:
        yield f"row {seq} differs from the last row written"
    elif head[0] < seq:
        yield f"the log ends at row {seq}, but the last row written is {head[0]}"


def _rows(first: int, last: int) -> str:
    return f"row {first} is" if first == last else f"rows {first} to {last} are"
