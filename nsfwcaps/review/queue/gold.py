"""Known answers (gold pairs), recorded by a lead, and the accuracy of annotators on them.

They come as a file of rows `pair_id, choice`, optionally with `safe_is_safe, unsafe_is_unsafe,
category, meaning`: JSONL, CSV, TSV or Parquet.
"""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from nsfwcaps.captions.readers import read_pool
from nsfwcaps.captions.rows import BadRow, Sample
from nsfwcaps.errors import InputError
from nsfwcaps.metrics.proportions import Share, share
from nsfwcaps.review import tables
from nsfwcaps.review.log import answers as answering
from nsfwcaps.review.log import verdicts
from nsfwcaps.review.log.adjudication import require_lead
from nsfwcaps.review.log.answers import RIGHT, Answers, Choice
from nsfwcaps.review.log.verdicts import VerdictKind

_NEEDED = ("pair_id", "choice")
_ASKED = ("choice", *answering.NAMES)
_SHOWN = 20
"""Problems listed in a message."""


@dataclass(frozen=True, kw_only=True)
class GoldRow:
    """One unchecked row of a file of known answers; `number` counts from 1."""

    number: int
    values: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """One annotator's accuracy on one question."""

    account_id: str
    question: str
    """`choice`, or the name of a question."""
    right: Share


def read_gold(url: str) -> list[GoldRow]:
    """Read a file of known answers; `set_gold` checks the rows.

    Raises:
        InputError: the file is unreadable or lacks required columns.
    """

    def choose(sample: Sample) -> Sequence[str]:
        names = sample.names
        missing = [name for name in _NEEDED if name not in names]
        if missing:
            raise InputError(
                f"{url}: missing column {', '.join(missing)}; known answers need pair_id and "
                f"choice, optionally {', '.join(answering.NAMES)}"
            )
        return [name for name in ("pair_id", *_ASKED) if name in names]

    rows = []
    for number, row in enumerate(read_pool(url, choose), start=1):
        if isinstance(row, BadRow):
            raise InputError(f"{url}: row {number} cannot be read ({row.reason}); fix it")
        wanted = {name: _plain(row.get(name)) for name in ("pair_id", *_ASKED)}
        given = {name: value for name, value in wanted.items() if value is not None}
        rows.append(GoldRow(number=number, values=given))
    return rows


def set_gold(
    connection: sa.Connection, account_id: str, rows: Sequence[GoldRow], now: float
) -> int:
    """Store known answers; return the number of new or changed ones.

    Raises:
        ReviewError: the account is not a lead.
        InputError: names every invalid row; then nothing is stored.
    """
    require_lead(connection, account_id)
    item = tables.item
    known = {
        row.pair_id: row
        for row in connection.execute(
            sa.select(
                *(item.c.pair_id, item.c.category, item.c.gone, item.c.gold),
                *(item.c.settled, item.c.opened, item.c.aside),
            )
        )
    }
    categories = {row.category for row in known.values()}
    problems: list[str] = []
    wanted: dict[str, str] = {}
    seen: set[str] = set()
    for row in rows:
        pair_id = str(row.values.get("pair_id", ""))
        found = [*_misplaced(pair_id, known), *(["is listed twice"] if pair_id in seen else [])]
        seen.add(pair_id)
        try:
            given = _answers(row.values, categories)
            category = known[pair_id].category if pair_id in known else ""
            wanted[pair_id] = given.stored(category)
        except InputError as error:
            found.append(str(error))
        problems += [f"row {row.number}, pair {_shown(pair_id)}: {what}" for what in found]
    if problems:
        raise InputError("\n".join(_listed(problems)))
    changed = {pair: body for pair, body in wanted.items() if known[pair].gold != body}
    for pair_id, body in changed.items():
        verdicts.append(
            connection, VerdictKind.GOLD, account_id=account_id, pair_id=pair_id, body=body, now=now
        )
        connection.execute(sa.update(item).where(item.c.pair_id == pair_id).values(gold=body))
    return len(changed)


def accuracy(connection: sa.Connection) -> list[Accuracy]:
    """Compute each annotator's accuracy on known answers, by account and question.

    Known answers that a lead has opened as a dispute or overruled do not count.

    Only questions that the known answer covers and the annotator was asked count. A `meaning`
    rating is right only if it is equal.
    """
    item, decision, verdict = tables.item, tables.decision, tables.verdict
    rows = connection.execute(
        sa.select(decision.c.account_id, verdict.c.body, item.c.gold, item.c.category)
        .join(verdict, verdict.c.seq == decision.c.seq)
        .join(item, item.c.pair_id == decision.c.pair_id)
        .where(
            item.c.gold.is_not(None),
            # What a lead doubts or has overruled measures nobody.
            *(mark.is_(None) for mark in (item.c.settled, item.c.opened, item.c.aside)),
        )
    )
    asked: defaultdict[str, Counter[str]] = defaultdict(Counter)
    right: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for account, body, gold, category in rows:
        given, known = (_named(json.loads(text), category) for text in (body, gold))
        for name in _ASKED:
            if name in given and name in known:
                asked[account][name] += 1
                right[account][name] += given[name] == known[name]
    return [
        Accuracy(account_id=account, question=name, right=share(right[account][name], counts[name]))
        for account, counts in sorted(asked.items())
        for name in _ASKED
        if counts[name]
    ]


def _named(body: dict[str, Any], category: str) -> dict[str, Any]:
    """Return the answers with the category spelled out instead of `right`."""
    named = answering.named_category(body, category)
    return body if named is None else {**body, "category": named}


def _misplaced(pair_id: str, known: Mapping[str, Any]) -> Iterator[str]:
    row = known.get(pair_id)
    if row is None:
        yield "is not in this review"
    elif row.gone:
        yield "is no longer in the data set"
    elif row.settled is not None:
        yield "was settled by a lead and is no longer shown to annotators"
    elif row.opened is not None or row.aside is not None:
        yield "was opened as a dispute by a lead; settle it on the page Disputes"


def _answers(values: Mapping[str, Any], categories: set[str]) -> Answers:
    given = {name: value for name, value in values.items() if name != "pair_id"}
    if "choice" not in given:
        raise InputError("has no choice; expected accept or reject")
    if given["choice"] == Choice.FIX:
        raise InputError("a known answer must be accept or reject, as fixes are not unique")
    if given["choice"] == Choice.ACCEPT and "no" in given.values():
        raise InputError("is accepted although a side fails; reject it")
    if "meaning" in given:
        given["meaning"] = _whole_number(given["meaning"])
    if given.get("category", RIGHT) not in {RIGHT, *categories}:
        raise InputError(
            f"unknown category; expected {RIGHT} or one of {', '.join(sorted(categories))}"
        )
    try:
        return answering.from_json(given)
    except InputError as error:
        # Omit the value found: if columns are mixed up, it may be a caption.
        raise InputError(str(error).partition(", got ")[0]) from None


def _shown(pair_id: str) -> str:
    """Format an id for a message, hiding text that may be a caption in the wrong column."""
    is_id = 0 < len(pair_id) <= 64 and not any(sign.isspace() for sign in pair_id)
    return pair_id if is_id else "(no id)"


def _whole_number(value: Any) -> int:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not number.is_integer():
        raise InputError("meaning must be 1 to 5")
    return int(number)


def _plain(value: Any) -> Any:
    """Normalise a cell: bytes become text; blanks and NaN become None."""
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    if isinstance(value, str):
        return value.strip() or None
    return None if isinstance(value, float) and math.isnan(value) else value


def _listed(problems: Sequence[str]) -> list[str]:
    rest = len(problems) - _SHOWN
    lines = [f"known answers: {len(problems)} problems; nothing was stored", *problems[:_SHOWN]]
    return [*lines, f"… and {rest} more"] if rest > 0 else lines
