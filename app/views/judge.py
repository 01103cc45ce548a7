"""The annotator's page: what is to be done now."""

from __future__ import annotations

import datetime
import time

import streamlit as st
from place import Place, act, plain

from nsfwcaps.review.people.accounts import Account
from nsfwcaps.review.queue.desk import Consent, Desk, Finished, Rest, ReviewTask
from views import consent, task


def draw(place: Place, account: Account) -> None:
    """Draw consent, a pair, a rest or the end."""
    desk = Desk(place.database, place.pairs, account.account_id)
    match desk.state():
        case Consent() as waiting:
            consent.draw(place, desk, waiting)
        case ReviewTask() as before:
            task.draw(place, desk, before)
        case Rest() as rest:
            _rest(rest)
        case Finished() as end:
            _finished(desk, end)


def _rest(rest: Rest) -> None:
    st.header("Time for a break")
    st.write(plain(f"Now: {rest.why}. Everything that you decided is kept."))
    if rest.until is None:
        st.write("It goes on tomorrow, after midnight UTC.")
        return
    at = datetime.datetime.fromtimestamp(rest.until, datetime.UTC)
    st.write(f"It goes on in {_minutes(rest.until)}, at {at:%H:%M} UTC. Look at something else.")
    _wake(rest.until)


@st.fragment(run_every=5)
def _wake(until: float) -> None:
    if time.time() >= until:
        st.rerun()


def _finished(desk: Desk, end: Finished) -> None:
    st.header("No pair is left for you")
    if end.held_by_others:
        st.write("Others have some before them; what they leave open comes back. Look again later.")
    st.write("Thank you.")
    st.button("Undo the last verdict", on_click=act, args=(desk.undo,), shortcut="Z")


def _minutes(until: float) -> str:
    left = max(1, round((until - time.time()) / 60))
    return f"{left} minute{'' if left == 1 else 's'}"
