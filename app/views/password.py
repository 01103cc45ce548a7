"""Changing one's own password: whoever made the account knows the first one."""

from __future__ import annotations

import time

import streamlit as st
from place import TOKEN, Place, act

from nsfwcaps.errors import InputError
from nsfwcaps.review.people import accounts, logins
from nsfwcaps.review.people.accounts import Account


def draw(place: Place, account: Account) -> None:
    """Draw the form."""
    st.header("My password")
    st.write("Change the one that somebody gave you. You are signed out everywhere else.")
    with st.form("change-password", width=420, clear_on_submit=True):
        st.text_input("Password now", key="now", type="password", autocomplete="current-password")
        for key, label in (("new", "New password"), ("again", "The new one again")):
            st.text_input(label, key=key, type="password", autocomplete="new-password")
        st.form_submit_button(
            "Change", on_click=act, args=(lambda: _change(place, account),), key="set-password"
        )


def _change(place: Place, account: Account) -> None:
    now, new, again = (st.session_state[key] for key in ("now", "new", "again"))
    if new != again:
        raise InputError("the new password was not typed alike; nothing was changed")
    hashed = accounts.hash_password(account.name, new)
    # Wrong tries are counted and wait as they do for signing in.
    logins.sign_in(place.database, account.name, now, time.time())
    with place.database.write() as connection:
        accounts.set_password(connection, account.account_id, hashed)
    st.session_state[TOKEN] = logins.sign_in(place.database, account.name, new, time.time())
