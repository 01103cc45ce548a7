"""Known answers: pairs whose verdict a lead wrote down, and how often people find the same.

They come in a file of rows `pair_id, choice` and if wanted `safe_is_safe, unsafe_is_unsafe,
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

from nsfwcaps.captions.readers import BadRow, read_pool
from nsfwcaps.errors import InputError
from nsfwcaps.review import tables
from nsfwcaps.review.log import answers as answering
from nsfwcaps.review.log import verdicts
from nsfwcaps.review.log.adjudication import require_lead
from nsfwcaps.review.log.answers import RIGHT, Answers, Choice
from nsfwcaps.review.log.verdicts import VerdictKind
from nsfwcaps.review.proportions import Share, share

_NEEDED = ("pair_id", "choice")
_ASKED = ("choice", *answering.NAMES)
_SHOWN = 20
"""Problems that a message lists."""


@dataclass(frozen=True, kw_only=True)
class GoldRow:
    """A row of a file of known answers, as it stands there; `number` counts from 1."""

    number: int
    values: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """How often somebody answers a question as it is known to be answered."""

    account_id: str
    question: str
    """`choice`, or the name of a question."""
    right: Share


def read_gold(url: str) -> list[GoldRow]:
    """Read a file of known answers; what its rows say, `set_gold` checks.

    Raises:
        InputError: it cannot be read, or has not the columns.
    """

    def choose(names: Sequence[str]) -> Sequence[str]:
        missing = [name for name in _NEEDED if name not in names]
        if missing:
            raise InputError(
                f"{url}: has no column {', '.join(missing)}; known answers are rows with pair_id "
                f"and choice, and if wanted {', '.join(answering.NAMES)}"
            )
        return [name for name in ("pair_id", *_ASKED) if name in names]

    rows = []
    for number, row in enumerate(read_pool(url, choose), start=1):
        if isinstance(row, BadRow):
            raise InputError(f"{url}: row {number} cannot be read ({row.reason}); mend it")
        wanted = {name: _plain(row.get(name)) for name in ("pair_id", *_ASKED)}
        given = {name: value for name, value in wanted.items() if value is not None}
        rows.append(GoldRow(number=number, values=given))
    return rows


def set_gold(
    connection: sa.Connection, account_id: str, rows: Sequence[GoldRow], now: float
) -> int:
    """Keep known answers; the number of those that are new or changed.

    Raises:
        ReviewError: the account is no lead's.
        InputError: naming every row that does not fit; nothing is kept then.
    """
    require_lead(connection, account_id)
    item = tables.item
    known = {
        row.pair_id: row
        for row in connection.execute(
            sa.select(item.c.pair_id, item.c.category, item.c.gone, item.c.settled, item.c.gold)
        )
    }
    categories = {row.category for row in known.values()}
    problems: list[str] = []
    wanted: dict[str, str] = {}
    seen: set[str] = set()
    for row in rows:
        pair_id = str(row.values.get("pair_id", ""))
        found = [*_misplaced(pair_id, known), *(["is there twice"] if pair_id in seen else [])]
        seen.add(pair_id)
        try:
            wanted[pair_id] = _answers(row.values, categories).text()
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
    """How often each annotator agrees with the known answers, by account and question.

    Only questions count that the known answer has and the annotator was asked; a mark for meaning
    is right if it is the same one.
    """
    item, decision, verdict = tables.item, tables.decision, tables.verdict
    rows = connection.execute(
        sa.select(decision.c.account_id, verdict.c.body, item.c.gold, item.c.category)
        .join(verdict, verdict.c.seq == decision.c.seq)
        .join(item, item.c.pair_id == decision.c.pair_id)
        .where(item.c.gold.is_not(None))
    )
    asked: defaultdict[str, Counter[str]] = defaultdict(Counter)
    right: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for account, body, gold, category in rows:
        said, known = (_named(json.loads(text), category) for text in (body, gold))
        for name in _ASKED:
            if name in said and name in known:
                asked[account][name] += 1
                right[account][name] += said[name] == known[name]
    return [
        Accuracy(account_id=account, question=name, right=share(right[account][name], counts[name]))
        for account, counts in sorted(asked.items())
        for name in _ASKED
        if counts[name]
    ]


def _named(body: dict[str, Any], category: str) -> dict[str, Any]:
    """Answers with the category by its name, whether they call it right or name it."""
    return {**body, "category": category} if body.get("category") == RIGHT else body


def _misplaced(pair_id: str, known: Mapping[str, Any]) -> Iterator[str]:
    row = known.get(pair_id)
    if row is None:
        yield "is not in this review"
    elif row.gone:
        yield "is in the data set no more"
    elif row.settled is not None:
        yield "was settled by a lead and is shown to nobody any more"


def _answers(values: Mapping[str, Any], categories: set[str]) -> Answers:
    given = {name: value for name, value in values.items() if name != "pair_id"}
    if "choice" not in given:
        raise InputError("has no choice; accept or reject")
    if given["choice"] == Choice.FIX:
        raise InputError("a known answer is accept or reject: there is more than one way to fix")
    if given["choice"] == Choice.ACCEPT and "no" in given.values():
        raise InputError("is accepted although a side is not what it should be; reject it")
    if "meaning" in given:
        given["meaning"] = _whole_number(given["meaning"])
    if given.get("category", RIGHT) not in {RIGHT, *categories}:
        raise InputError(
            f"no such category; write {RIGHT}, or one of {', '.join(sorted(categories))}"
        )
    try:
        return answering.from_json(given)
    except InputError as error:
        # Without what was found: in a file whose columns are mixed up it may be a caption.
        raise InputError(str(error).partition(", got ")[0]) from None


def _shown(pair_id: str) -> str:
    """An id for a message; not what may be a caption in the wrong column."""
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
    """A cell without what formats add: bytes are text, blanks and NaN are nothing."""
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    if isinstance(value, str):
        return value.strip() or None
    return None if isinstance(value, float) and math.isnan(value) else value


def _listed(problems: Sequence[str]) -> list[str]:
    rest = len(problems) - _SHOWN
    lines = [f"known answers: {len(problems)} problems; nothing was kept", *problems[:_SHOWN]]
    return [*lines, f"… and {rest} more"] if rest > 0 else lines
