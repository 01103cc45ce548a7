"""The annotator's page: the next step of the review."""

from __future__ import annotations

import datetime
import time
from functools import partial

import streamlit as st

from nsfwcaps.review.people.accounts import Account
from nsfwcaps.review.queue.desk import Desk
from nsfwcaps.review.queue.states import Consent, Finished, Rest, ReviewTask
from review_app.actions import act
from review_app.context import ReviewContext
from review_app.judging import rested_keys
from review_app.pages import consent, task
from review_app.plain_text import plain


def draw(context: ReviewContext, account: Account) -> None:
    """Draw consent, a pair, a break or the end."""
    desk = Desk(context.database, context.pairs, account.account_id)
    found = desk.state()
    if not isinstance(found, ReviewTask):
        task.dropped()
    match found:
        case Consent() as waiting:
            consent.draw(context, account, desk, waiting)
        case ReviewTask():
            task.draw(context, account, desk)
        case Rest() as rest:
            _rest(rest)
            _undo(context, account, desk, rest)
        case Finished() as end:
            _finished(end)
            _undo(context, account, desk, end)


def _rest(rest: Rest) -> None:
    st.header("Time for a break")
    st.write(plain(f"Reason: {rest.why}. All your verdicts are saved."))
    if rest.until is None:
        st.write("You can continue tomorrow, after midnight UTC.")
        return
    at = datetime.datetime.fromtimestamp(rest.until, datetime.UTC)
    st.write(
        f"You can continue in {_minutes(rest.until)}, at {at:%H:%M} UTC. "
        "Look at something else until then."
    )
    _wake(rest.until)


@st.fragment(run_every=5)
def _wake(until: float) -> None:
    if time.time() >= until:
        st.rerun()


def _undo(context: ReviewContext, account: Account, desk: Desk, state: Rest | Finished) -> None:
    if (last := state.undoable) is not None:
        key = f"undo-{last.token}"  # what is pressed twice must not undo two
        st.button(
            last.label,
            on_click=act,
            args=(partial(desk.undo, last.token),),
            key=key,
        )
        rested_keys.mount(context, account, undo=key)


def _finished(end: Finished) -> None:
    st.header("No pairs left for you")
    if end.held_by_others:
        st.write(
            "Other people are judging the remaining pairs. "
            "Pairs they do not finish come back, so check again later."
        )
    st.write("Thank you.")


def _minutes(until: float) -> str:
    left = max(1, round((until - time.time()) / 60))
    return f"{left} minute{'' if left == 1 else 's'}"
