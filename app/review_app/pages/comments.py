"""For leads: comments of annotators on pairs that are not in dispute."""

from __future__ import annotations

import time
from functools import partial

import streamlit as st

from nsfwcaps.review.log import comments, reopening
from nsfwcaps.review.log.comments import CommentedPair
from nsfwcaps.review.people.accounts import Account
from review_app.actions import act_as_lead
from review_app.context import ReviewContext
from review_app.pages import lead_pair, settled

_PER_PAGE = 20
_FROM = "comments from"


def draw(context: ReviewContext, account: Account) -> None:
    """Draw the pairs with comments, the newest first."""
    st.header("Comments")
    st.text("On pairs that are not in dispute. Those on disputes are on the page Disputes.")
    first = st.session_state.get(_FROM, 0)
    found = context.read(comments.comments, account.account_id, first + _PER_PAGE + 1)
    if not found:
        st.text("No comments.")
        return
    lead_pair.left(context, account)
    for one in found[first : first + _PER_PAGE]:
        with st.container(border=True):
            _pair(context, account, one)
    with st.container(horizontal=True):
        if first:
            _turn("Newer", max(0, first - _PER_PAGE))
        if len(found) > first + _PER_PAGE:
            _turn("Older", first + _PER_PAGE)


def _turn(label: str, first: int) -> None:
    values = ({_FROM: first},)
    st.button(label, key=f"{label}-comments", on_click=st.session_state.update, args=values)


def _pair(context: ReviewContext, account: Account, one: CommentedPair) -> None:
    became = one.state.value if one.choice is None else f"{one.state.value}: {one.choice.value}"
    st.text(f"pair {one.pair_id} · {became}{' · no longer in the data set' if one.gone else ''}")
    if one.withheld:
        _withheld(context, account, one)
        return
    for comment in one.comments:
        st.text(f"{comment.letter} ({comment.choice}): {comment.text}", width="stretch")
    if one.gone:
        return
    about = lead_pair.about(one.category, one.severity)
    lead_pair.show(context, account, context.pairs.pair(one.pair_id), about)
    st.button(
        "Open a dispute",
        key=f"open-{one.pair_id}",
        on_click=act_as_lead,
        args=(partial(_open, context, account, one),),
    )


def _withheld(context: ReviewContext, account: Account, one: CommentedPair) -> None:
    st.text("You may still be given this pair to judge, so what others say of it is not shown.")
    st.button(
        "Leave the pair to others and read",
        key=f"read-{one.pair_id}",
        on_click=act_as_lead,
        args=(partial(_read, context, account, one),),
    )


def _read(context: ReviewContext, account: Account, one: CommentedPair) -> None:
    with context.database.write() as connection:
        comments.read_early(connection, account.account_id, one.pair_id, time.time())


def _open(context: ReviewContext, account: Account, one: CommentedPair) -> None:
    with context.database.write() as connection:
        reopening.reopen(connection, account.account_id, one.pair_id, time.time(), of=one.row)
    st.session_state[settled.WANTED] = one.pair_id
