"""Heads of a log that were noted elsewhere: only they reveal an older copy or a rewritten log.

Every export and every data set that `publish` joined a review to notes one. Where a backup was
restored, the rows after it are lost for good; a row of the log then says so, and names the head
that it can no longer have.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nsfwcaps.review.chain.links import Link
from nsfwcaps.review.chain.rows import VerdictKind

MANIFEST = "manifest.json"
EXPORT = "export.json"


@dataclass(frozen=True, kw_only=True)
class NotedHead:
    """Last row of a log at an earlier time."""

    rows: int
    hash: str
    first: str | None = None
    """Hash before the first row, which identifies the review; None in earlier notes."""


def of_data_set(folder: Path) -> NotedHead | None:
    """Return the head that the manifest of a data set notes; None if it notes none."""
    values = _json(folder / MANIFEST)
    try:
        return parse(values["stages"]["publish"]["facts"]["review"]["log"])
    except (LookupError, TypeError):
        return None


def of_export(folder: Path) -> NotedHead | None:
    """Return the head that an exported review notes; None if the folder holds none."""
    values = _json(folder / EXPORT)
    try:
        return parse(values["log"])
    except (LookupError, TypeError):
        return None


def parse(values: Any) -> NotedHead | None:
    """Read a head from JSON; None if it is not one."""
    try:
        first = values.get("first")
        return NotedHead(
            rows=int(values["rows"]),
            hash=str(values["hash"]),
            first=None if first is None else str(first),
        )
    except (LookupError, TypeError, ValueError, AttributeError):
        return None


def lacks(links: Iterable[Link], first: str, noted: NotedHead) -> str | None:
    """Say why a log does not continue from a noted head; None if it does.

    A row saying that a backup was restored excuses the head that it names.

    Args:
        links: rows by number.
        first: hash before the first row, from `genesis`.
        noted: the head.
    """
    if noted.first not in (None, first):
        return "it is the log of another review"
    last, found = 0, first if noted.rows == 0 else None
    for link in links:
        last = link.seq
        if last == noted.rows:
            found = link.hash
        if link.kind == VerdictKind.RESTORE and _excused(link.body) == (noted.rows, noted.hash):
            return None
    if found == noted.hash:
        return None
    if found is None and last < noted.rows:
        return _older(last, noted)
    return f"the noted row {noted.rows} is missing" if found is None else _rewritten(noted)


def head_lacks(rows: int, hash_: str, first: str, noted: NotedHead) -> str | None:
    """Say what `lacks` does, of a log of which only the head is there.

    A longer one cannot be compared.
    """
    if noted.first not in (None, first):
        return "it is the log of another review"
    if rows < noted.rows:
        return _older(rows, noted)
    return _rewritten(noted) if rows == noted.rows and hash_ != noted.hash else None


def excuse(noted: NotedHead) -> str:
    """Return the body of a row that excuses a head."""
    return json.dumps({"lost": {"rows": noted.rows, "hash": noted.hash}}, sort_keys=True)


def _older(last: int, noted: NotedHead) -> str:
    return (
        f"the log ends at row {last}, before the noted row {noted.rows}: it is an older copy, or "
        "rows were removed"
    )


def _rewritten(noted: NotedHead) -> str:
    return f"row {noted.rows} differs from the noted one: the log up to it was rewritten"


def _excused(body: str) -> tuple[int, str] | None:
    try:
        found = parse(json.loads(body)["lost"])
    except (LookupError, TypeError, ValueError):
        return None
    return None if found is None else (found.rows, found.hash)


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
