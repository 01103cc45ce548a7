"""For leads: what was settled or set aside, opened again; and the last decision, taken back."""

from __future__ import annotations

import time
from functools import partial

import sqlalchemy as sa
import streamlit as st

from nsfwcaps.review.log import dispute_drafts, reopening
from nsfwcaps.review.log.reopening import LeadRow
from nsfwcaps.review.log.verdicts import VerdictKind
from nsfwcaps.review.pairs import SIDES
from nsfwcaps.review.people import accounts
from nsfwcaps.review.people.accounts import Account
from review_app.actions import act_as_lead
from review_app.context import ReviewContext
from review_app.plain_text import plain

WANTED = "dispute that a lead opened"
"""Key of the session state: the pair to show next, if it is in dispute."""
_MOST = 200


def last(context: ReviewContext, account: Account) -> None:
    """Draw the lead's last decision, and the button that takes it back."""
    row = context.read(reopening.last_act, account.account_id)
    if row is None:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.text(f"Your last decision: pair {row.pair_id} {_done(row)}")
        st.button(
            "Undo",
            key=f"undo-{row.seq}",
            on_click=act_as_lead,
            args=(partial(_undo, context, account, row),),
        )


def listed(context: ReviewContext, account: Account) -> None:
    """Draw what leads settled."""
    rows = context.read(reopening.settled, _MOST)
    if rows:
        _table(context, rows)
        _again(context, account, rows, "settled", "Open again")
    else:
        st.text("Nothing was settled yet.")
    st.text_input(
        "Another pair, by its id",
        key="pair-to-open",
        help="Also one on which all agree, or with a known answer that people judged.",
    )
    st.button(
        "Open it as a dispute",
        key="open-pair",
        on_click=act_as_lead,
        args=(partial(_open_typed, context, account),),
    )


def set_aside(context: ReviewContext, account: Account) -> None:
    """Draw the disputes that leads set aside."""
    rows = context.read(reopening.aside, _MOST)
    if not rows:
        st.text("No dispute is set aside.")
        return
    _table(context, rows)
    _again(context, account, rows, "aside", "Bring back")


def _table(context: ReviewContext, rows: list[LeadRow]) -> None:
    names = {one.account_id: one.name for one in context.read(accounts.everyone)}
    if len(rows) == _MOST:
        st.caption(f"The last {_MOST}. Others can be opened by their id.")
    st.dataframe(
        {
            "pair": [row.pair_id for row in rows],
            "category": [row.category for row in rows],
            "decision": [_choice(row) for row in rows],
            "edited": [_edited(row) for row in rows],
            "comment": [row.comment or "" for row in rows],
            "lead": [names.get(row.by, row.by) for row in rows],
            "UTC": [_time(row) for row in rows],
        },
        hide_index=True,
    )


def _again(
    context: ReviewContext, account: Account, rows: list[LeadRow], name: str, label: str
) -> None:
    there = {row.seq: row for row in rows if not row.gone}
    if not there:
        return
    with st.container(horizontal=True, vertical_alignment="bottom"):
        seq = st.selectbox(
            "Pair",
            list(there),
            format_func=lambda seq: plain(f"{there[seq].pair_id} {_done(there[seq])}"),
            key=f"which-{name}",
        )
        st.button(
            label,
            key=f"again-{name}",
            on_click=act_as_lead,
            args=(partial(_reopen, context, account, there[seq]),),
        )


def _reopen(context: ReviewContext, account: Account, row: LeadRow) -> None:
    with context.database.write() as connection:
        reopening.reopen(connection, account.account_id, row.pair_id, time.time(), of=row.seq)
        _prefill(connection, account, row)
    st.session_state[WANTED] = row.pair_id


def _undo(context: ReviewContext, account: Account, row: LeadRow) -> None:
    with context.database.write() as connection:
        reopening.undo(connection, account.account_id, row.seq, time.time())
        _prefill(connection, account, row)
    st.session_state[WANTED] = row.pair_id


def _open_typed(context: ReviewContext, account: Account) -> None:
    pair_id = str(st.session_state["pair-to-open"]).strip()
    with context.database.write() as connection:
        reopening.open_again(connection, account.account_id, pair_id, time.time())
    st.session_state[WANTED] = pair_id
    st.session_state["pair-to-open"] = ""


def _prefill(connection: sa.Connection, account: Account, row: LeadRow) -> None:
    """Let a lead go on from their own decision: what they had typed is there again."""
    if row.answers is None or row.by != account.account_id:
        return
    typed = {k: v for k, v in row.answers.as_json().items() if k != "choice"}
    dispute_drafts.keep(connection, account.account_id, row.pair_id, typed)


def _done(row: LeadRow) -> str:
    return f"{_choice(row)}, {_time(row)} UTC"


def _choice(row: LeadRow) -> str:
    if row.answers is None or row.answers.choice is None:
        return "set aside" if row.kind is VerdictKind.ASIDE else "opened as a dispute"
    return row.answers.choice.value


def _edited(row: LeadRow) -> str:
    """Sides whose text a lead changed; the texts themselves stay covered."""
    if row.answers is None:
        return ""
    return ", ".join(side for side in SIDES if getattr(row.answers, f"{side}_caption"))


def _time(row: LeadRow) -> str:
    return row.at[:16].replace("T", " ")
