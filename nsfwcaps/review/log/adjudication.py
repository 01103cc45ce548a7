"""Disputed pairs, for a lead to settle: shown with the answers, not with the annotators."""

from __future__ import annotations

import hashlib
import itertools
import string
from dataclasses import dataclass

import sqlalchemy as sa

from nsfwcaps.errors import InputError, ReviewError
from nsfwcaps.review import tables
from nsfwcaps.review.database import Database
from nsfwcaps.review.log import answers as answering
from nsfwcaps.review.log import verdicts
from nsfwcaps.review.log.answers import Answers, Choice
from nsfwcaps.review.log.outcomes import agreed
from nsfwcaps.review.log.verdicts import VerdictKind
from nsfwcaps.review.pairs import Pair
from nsfwcaps.review.people.accounts import Role


@dataclass(frozen=True, kw_only=True)
class Opinion:
    """One annotator's answers, under a letter that is assigned per pair."""

    letter: str
    answers: Answers


@dataclass(frozen=True, kw_only=True)
class Dispute:
    """A pair waiting for a lead's decision."""

    pair_id: str
    category: str
    severity: int
    level: str
    opinions: tuple[Opinion, ...]


def disputes(connection: sa.Connection, account_id: str, limit: int | None = None) -> list[Dispute]:
    """List the first disputed pairs that a lead may settle, in queue order.

    Pairs that the lead judged are left to others: a third person settles.
    """
    item, decision, verdict = tables.item, tables.decision, tables.verdict
    mine = decision.alias()
    rows = connection.execute(
        sa.select(
            *(item.c.pair_id, item.c.category, item.c.severity, item.c.stage),
            *(verdict.c.account_id, verdict.c.body),
        )
        .join(decision, decision.c.pair_id == item.c.pair_id)
        .join(verdict, verdict.c.seq == decision.c.seq)
        .where(
            item.c.decided >= item.c.needed,
            item.c.decided > 1,
            item.c.settled.is_(None),
            item.c.gold.is_(None),
            item.c.gone.is_(False),
            ~sa.exists().where(mine.c.pair_id == item.c.pair_id, mine.c.account_id == account_id),
        )
        .order_by(item.c.position)
    )
    found: list[Dispute] = []
    for pair_id, group in itertools.groupby(rows, key=lambda row: str(row.pair_id)):
        entries = list(group)
        answers = {row.account_id: verdicts.read_answers(row.body) for row in entries}
        if agreed([answer.as_json() for answer in answers.values()], entries[0].category):
            continue
        found.append(
            Dispute(
                pair_id=pair_id,
                category=entries[0].category,
                severity=entries[0].severity,
                level=entries[0].stage,
                opinions=_dealt(pair_id, answers),
            )
        )
        if len(found) == limit:
            break
    return found


def settle_dispute(
    database: Database, account_id: str, pair: Pair, answers: Answers, now: float
) -> int:
    """Settle an unsettled pair in its own write transaction; return its row number in the log.

    Raises:
        ReviewError: another lead has settled the pair, or as in `settle`.
        InputError: the choice and the captions contradict each other.
    """
    decided = answering.settled(answers, safe=pair.safe_caption, unsafe=pair.unsafe_caption)
    with database.write() as connection:
        check_unsettled(connection, pair.pair_id)
        return settle(connection, account_id, pair.pair_id, decided, now)


def check_unsettled(connection: sa.Connection, pair_id: str) -> None:
    """Check, within the settling write, that no other lead has settled the pair.

    Raises:
        ReviewError: another lead has.
    """
    item = tables.item
    settled = sa.select(item.c.settled).where(item.c.pair_id == pair_id)
    if connection.scalar(settled) is not None:
        raise ReviewError(f"pair {pair_id} has been settled by another lead; nothing was written")


def settle(
    connection: sa.Connection, account_id: str, pair_id: str, answers: Answers, now: float
) -> int:
    """Record a lead's decision on a pair; return its row number in the log.

    The last decision counts. The answers come from `answers.settled`.

    Raises:
        ReviewError: the account is not a lead, judged the pair itself, or the pair is not in the
            review.
        InputError: nothing was chosen, or the choice is `fix` and no caption changed.
    """
    require_lead(connection, account_id)
    item = tables.item
    if connection.scalar(sa.select(item.c.pair_id).where(item.c.pair_id == pair_id)) is None:
        raise ReviewError(f"pair {pair_id} is not in this review")
    if verdicts.verdict_of(connection, account_id, pair_id) is not None:
        raise ReviewError(f"you judged pair {pair_id} yourself; another lead must settle it")
    if answers.choice is None:
        raise InputError("no choice was made; choose accept, fix or reject")
    if answers.choice is Choice.FIX and not (answers.safe_caption or answers.unsafe_caption):
        raise InputError("no caption was changed; change one, or choose accept or reject")
    seq = verdicts.append(
        connection,
        VerdictKind.SETTLE,
        account_id=account_id,
        pair_id=pair_id,
        body=answers.text(),
        now=now,
    )
    connection.execute(sa.update(item).where(item.c.pair_id == pair_id).values(settled=seq))
    return seq


def require_lead(connection: sa.Connection, account_id: str) -> None:
    """Check that an account is an enabled lead.

    Raises:
        ReviewError: it is disabled or not a lead.
    """
    account = tables.account
    row = connection.execute(
        sa.select(account.c.role, account.c.disabled).where(account.c.account_id == account_id)
    ).one_or_none()
    if row is None or row.disabled or row.role != Role.LEAD.value:
        raise ReviewError("only a lead may do this; ask a lead to do it or to make you a lead")


def _dealt(pair_id: str, answers: dict[str, Answers]) -> tuple[Opinion, ...]:
    """Assign letters by a hash of pair and account, so that a letter identifies nobody."""
    order = sorted(
        answers, key=lambda account: hashlib.sha256(f"{pair_id} {account}".encode()).digest()
    )
    return tuple(
        Opinion(letter=letter, answers=answers[account])
        for letter, account in zip(string.ascii_uppercase, order, strict=False)
    )
