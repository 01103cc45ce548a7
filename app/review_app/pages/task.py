"""The open pair: one component in the browser holds it, so that a key answers what is shown."""

from __future__ import annotations

import contextlib
import time
from functools import partial

import streamlit as st

from nsfwcaps.errors import ReviewError
from nsfwcaps.review.people import keys, logins
from nsfwcaps.review.people.accounts import Account
from nsfwcaps.review.queue import guidelines
from nsfwcaps.review.queue.desk import Desk
from nsfwcaps.review.queue.states import ReviewTask
from review_app.actions import TOKEN, check_signed_in, shown_errors
from review_app.context import ReviewContext
from review_app.judging import categories, component, messages, sent
from review_app.judging.messages import Heard
from review_app.plain_text import plain

_HEARD = "heard"


@st.fragment
def draw(context: ReviewContext, account: Account, desk: Desk) -> None:
    """Draw the pair that an annotator has open; what the browser sends draws only this again."""
    with shown_errors():
        _draw(context, account, desk)


def _draw(context: ReviewContext, account: Account, desk: Desk) -> None:
    heard = _heard()
    if not _is_signed_in(context, account):
        st.rerun()  # the whole page, which asks for the password
    task = desk.state()
    if not isinstance(task, ReviewTask):
        st.rerun()
    mine = context.read(keys.of, account.account_id)
    commands = categories.commands(context.database, context.pairs.categories)
    data = sent.data(context.pairs, task, heard, mine, commands)
    data["guidelines"] = sent.guidelines(context.read(guidelines.of), heard)
    data["account"] = account.account_id
    component.mount(data, partial(_hear, context, account, desk))


def dropped() -> None:
    """Say what was pressed in vain, where the page that would say so is gone."""
    heard: Heard | None = st.session_state.get(_HEARD)
    if heard is not None and heard.refused is not None:
        st.warning(plain(heard.refused["message"]))


def _hear(context: ReviewContext, account: Account, desk: Desk) -> None:
    # Whatever is read from the session state may end this run, as a newer message is there: read it
    # first, and change what was heard together with what was done.
    heard, message, token = _heard(), component.outbox(), st.session_state.get(TOKEN)
    with contextlib.suppress(ReviewError):  # signed out: the page that follows says so
        check_signed_in(context, token, lead=False)
        messages.hear(desk, heard, message)


def _is_signed_in(context: ReviewContext, account: Account) -> bool:
    token = st.session_state.get(TOKEN)
    found = context.read(logins.signed_in, token, time.time()) if token else None
    return found is not None and found.account_id == account.account_id


def _heard() -> Heard:
    found: Heard = st.session_state.setdefault(_HEARD, Heard())
    return found
