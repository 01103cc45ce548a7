"""What somebody was exposed to: for that person alone."""

from __future__ import annotations

import datetime
import time

import streamlit as st
from place import Place, act

from nsfwcaps.review.people.accounts import Account
from nsfwcaps.review.queue import exposure, sessions
from nsfwcaps.review.queue.policy import SEVERITY_NAMES


def draw(place: Place, account: Account) -> None:
    """Draw the record, and a way to erase it."""
    st.header("My record")
    st.write(
        "What you uncovered, decided and skipped, and how long it was there. Only you see this: no "
        "other page, export or data set has it. Whoever keeps the database could read it there."
    )
    with place.database.read() as connection:
        entries = exposure.entries(connection, account.account_id)
    st.dataframe(
        {
            "UTC": [_time(entry.at) for entry in entries],
            "what": [entry.event.value for entry in entries],
            "category": [entry.category or "" for entry in entries],
            "severity": [SEVERITY_NAMES.get(entry.severity or 0, "") for entry in entries],
            "seconds": ["" if e.seconds is None else f"{e.seconds:.0f}" for e in entries],
            "pair": [entry.pair_id or "" for entry in entries],
        },
        hide_index=True,
    )
    st.write(
        "Erasing also forgets which pairs you skipped, so they may come again. What is left of "
        "today's caps stays."
    )
    sure = st.checkbox("Erase my record for good", key="sure")
    st.button(
        "Erase",
        disabled=not sure,
        on_click=act,
        args=(lambda: _erase(place, account),),
        key="erase",
    )


def _erase(place: Place, account: Account) -> None:
    st.session_state["sure"] = False  # to be said again before the next time
    with place.database.write() as connection:
        exposure.erase(connection, account.account_id, sessions.today(time.time()))


def _time(at: float) -> str:
    return datetime.datetime.fromtimestamp(at, datetime.UTC).strftime("%Y-%m-%d %H:%M:%S")
