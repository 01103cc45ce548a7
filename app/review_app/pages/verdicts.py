"""A person's own verdicts, as covers: to look back, and to change one while its pair is open."""

from __future__ import annotations

from functools import partial

import streamlit as st

from nsfwcaps.review.log.answers import Answers
from nsfwcaps.review.people.accounts import Account
from nsfwcaps.review.queue.desk import Desk
from nsfwcaps.review.queue.policy import SEVERITY_NAMES
from nsfwcaps.review.queue.undoing import PastVerdict
from review_app.actions import act
from review_app.context import ReviewContext
from review_app.plain_text import plain

_SHOWN = 25
_MORE = "more-verdicts"


def draw(context: ReviewContext, account: Account) -> None:
    """Draw the newest verdicts, each with a button that takes it back."""
    st.header("My verdicts")
    st.write(
        "Your current verdicts, newest first, without captions or images. Changing one takes it "
        "back: its pair comes next on *Judge*, covered, with your answers. A pair that a lead has "
        "settled is closed."
    )
    desk = Desk(context.database, context.pairs, account.account_id)
    limit = _SHOWN + int(st.session_state.get(_MORE, 0))
    found = desk.past(limit + 1)
    if not found:
        st.write("You have no verdicts yet.")
    for one in found[:limit]:
        with st.container(border=True):
            _verdict(desk, one)
    if len(found) > limit:
        st.button("Show more", on_click=_more, key="show-more")


def _verdict(desk: Desk, one: PastVerdict) -> None:
    severity = SEVERITY_NAMES[one.severity]
    st.text(f"{one.answers.choice} · pair {one.pair_id} · {one.category} · {severity}")
    st.caption(plain(_said(one.answers)))
    if one.answers.comment:
        st.text(f"Comment: {one.answers.comment}")
    if one.changeable:
        st.button(
            f"Change the verdict on pair {plain(one.pair_id)}",
            on_click=act,
            args=(partial(desk.change, one.seq),),
            key=f"change-{one.seq}",
        )
    else:
        st.caption("This pair is closed.")


def _said(answers: Answers) -> str:
    """Put the answers into words, without the text of a caption."""
    parts = {
        "safe side safe": answers.safe_is_safe,
        "unsafe side unsafe": answers.unsafe_is_unsafe,
        "category": answers.category,
        "meaning kept": answers.meaning,
        "a lead is asked": "yes" if answers.ask_lead else None,
    }
    given = [f"{name}: {value}" for name, value in parts.items() if value is not None]
    return ", ".join(given) or "no question was answered"


def _more() -> None:
    st.session_state[_MORE] = int(st.session_state.get(_MORE, 0)) + _SHOWN
