"""What a person was exposed to, for that person alone."""

from __future__ import annotations

import datetime
import time

import streamlit as st

from nsfwcaps.review.people.accounts import Account
from nsfwcaps.review.queue import exposure
from nsfwcaps.review.queue.policy import SEVERITY_NAMES
from review_app.actions import act
from review_app.context import ReviewContext


def draw(context: ReviewContext, account: Account) -> None:
    """Draw the record, and the button that erases it."""
    st.header("My record")
    st.write(
        "What you uncovered, decided and skipped, and for how long it was open. Only you see this: "
        "it is on no other page, and in no export or data set. Whoever administers the database "
        "could read it there."
    )
    entries = context.read(exposure.entries, account.account_id)
    st.dataframe(
        {
            "UTC": [_time(entry.at) for entry in entries],
            "event": [entry.event.value for entry in entries],
            "category": [entry.category or "" for entry in entries],
            "severity": [SEVERITY_NAMES.get(entry.severity or 0, "") for entry in entries],
            "seconds": ["" if e.seconds is None else f"{e.seconds:.0f}" for e in entries],
            "pair": [entry.pair_id or "" for entry in entries],
        },
        hide_index=True,
    )
    st.write(
        "Erasing also forgets which pairs you skipped, so they may come back. It does not reset "
        "today's caps."
    )
    sure = st.checkbox("Erase my record permanently", key="sure")
    st.button(
        "Erase",
        disabled=not sure,
        on_click=act,
        args=(lambda: _erase(context, account),),
        key="erase",
    )


def _erase(context: ReviewContext, account: Account) -> None:
    st.session_state["sure"] = False  # ask again before the next erasure
    exposure.erase_all(context.database, account.account_id, time.time())


def _time(at: float) -> str:
    return datetime.datetime.fromtimestamp(at, datetime.UTC).strftime("%Y-%m-%d %H:%M:%S")
