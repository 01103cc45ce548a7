"""A log whose every row carries the hash of the one before it.

A row that was changed, taken out or put in breaks the chain at its place. Whoever can write the
database can also write a whole new chain: only a head that was noted elsewhere (every export has
it) tells the two apart.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass, replace


@dataclass(frozen=True, kw_only=True)
class Link:
    """A row of the log."""

    seq: int
    at: str
    account_id: str
    pair_id: str
    kind: str
    body: str
    previous: str
    hash: str = ""

    def sealed(self) -> Link:
        """The same with its hash: sha256 of the JSON list of all other fields."""
        # What is no text or number was put there by force; it still gets a hash, and not the right.
        text = json.dumps(
            astuple(self)[:-1], ensure_ascii=True, separators=(",", ":"), default=repr
        )
        return replace(self, hash=hashlib.sha256(text.encode()).hexdigest())


def genesis(review_id: str) -> str:
    """What stands for the hash before the first row: a log of another review does not fit."""
    return hashlib.sha256(f"nsfwcaps review {review_id}".encode()).hexdigest()


def faults(
    links: Iterable[Link], first: str, head: tuple[int, str], noted: tuple[int, str] | None = None
) -> Iterator[str]:
    """What is wrong with a chain, in order of the rows; nothing where it is whole.

    Args:
        links: its rows by number.
        first: hash that the first row must carry, as `genesis` gives it.
        head: number and hash of the last row that was written.
        noted: number and hash of a row as somebody wrote them down at the time.
    """
    seq, before = 0, first
    found_noted = noted in (None, (0, first))
    for link in links:
        if link.seq > seq + 1:
            yield f"{_rows(seq + 1, link.seq - 1)} missing"
        if link.sealed().hash != link.hash:
            yield f"row {link.seq} was changed"
        elif link.seq == seq + 1 and link.previous != before:
            yield f"row {link.seq} does not follow from row {seq}: one was put in or replaced"
        seq, before = link.seq, link.hash
        if noted is not None and noted[0] == seq:
            found_noted = True
            if noted[1] != link.hash:
                yield f"row {seq} is not the one that was noted: the log up to there was rewritten"
    if head[0] > seq:
        yield f"{_rows(seq + 1, head[0])} missing at the end"
    elif head[0] == seq and head[1] != before:
        yield f"row {seq} is not the one that was written last"
    elif head[0] < seq:
        yield f"the end of the log is row {seq}, but row {head[0]} was written last"
    if not found_noted and noted is not None:
        yield f"row {noted[0]}, which was noted, is missing"


def _rows(first: int, last: int) -> str:
    return f"row {first} is" if first == last else f"rows {first} to {last} are"
