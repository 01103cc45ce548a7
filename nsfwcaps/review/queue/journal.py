"""What an annotator did last, so that they can take it back. Private to them."""

from __future__ import annotations

import enum
from dataclasses import dataclass

import sqlalchemy as sa

from nsfwcaps.review import tables

UNDO_S = 30 * 60
"""How long after its end a session's last action can be taken back."""


class ActionKind(enum.StrEnum):
    """Kind of an action that can be taken back."""

    VERDICT = "verdict"
    SKIP = "skip"
    STOP = "stop"


@dataclass(frozen=True, kw_only=True)
class UndoableAction:
    """What undo takes back."""

    kind: ActionKind
    token: str
    """Token of the reservation that the action ended."""

    @property
    def label(self) -> str:
        """What the button says that takes it back."""
        is_stop = self.kind is ActionKind.STOP
        return "Continue the session" if is_stop else f"Undo the last {self.kind}"


@dataclass(frozen=True, kw_only=True)
class Action:
    """An entry of the journal."""

    action_id: int
    session_id: int
    at: float
    kind: ActionKind
    token: str
    pair_id: str | None
    seq: int | None
    draft: str

    @property
    def undoable(self) -> UndoableAction:
        """What the annotator sees of it."""
        return UndoableAction(kind=self.kind, token=self.token)


def note(
    connection: sa.Connection,
    account_id: str,
    *,
    session_id: int,
    at: float,
    kind: ActionKind,
    token: str,
    pair_id: str | None = None,
    seq: int | None = None,
    draft: str = "{}",
) -> None:
    """Add an action to the journal."""
    connection.execute(
        sa.insert(tables.action).values(
            account_id=account_id,
            session_id=session_id,
            at=at,
            kind=kind.value,
            token=token,
            pair_id=pair_id,
            seq=seq,
            draft=draft,
        )
    )


def last(connection: sa.Connection, account_id: str, now: float) -> Action | None:
    """Return the last action of the running session, or of one that ended a short time ago."""
    action, session = tables.action, tables.session
    row = (
        connection.execute(
            sa.select(*(action.c[name] for name in Action.__dataclass_fields__))
            .where(action.c.account_id == account_id)
            .order_by(action.c.action_id.desc())
            .limit(1)
        )
        .mappings()
        .one_or_none()
    )
    if row is None:
        return None
    found = Action(**{**row, "kind": ActionKind(row["kind"])})
    newest = connection.execute(
        sa.select(session.c.session_id, session.c.ended, session.c.last_active)
        .where(session.c.account_id == account_id)
        .order_by(session.c.session_id.desc())
        .limit(1)
    ).one_or_none()
    if newest is None or newest.session_id != found.session_id:
        return None
    ended = newest.last_active if newest.ended is None else newest.ended
    return None if now - ended > UNDO_S else found


def forget(connection: sa.Connection, account_id: str, *, seq: int | None = None) -> None:
    """Forget all actions of a person, or the one that made a row of the log."""
    action = tables.action
    mine = sa.delete(action).where(action.c.account_id == account_id)
    connection.execute(mine if seq is None else mine.where(action.c.seq == seq))


def forget_action(connection: sa.Connection, action_id: int) -> None:
    """Forget one action."""
    connection.execute(sa.delete(tables.action).where(tables.action.c.action_id == action_id))


def holds(connection: sa.Connection, account_id: str, session_id: int, seq: int) -> bool:
    """Whether a verdict was made in a session."""
    action = tables.action
    mine = sa.select(action.c.action_id).where(
        action.c.account_id == account_id, action.c.session_id == session_id, action.c.seq == seq
    )
    return connection.scalar(mine) is not None
