"""Signing in and out, and the first lead's account."""

from __future__ import annotations

import time

import streamlit as st
from browser import keep_token, kept_token
from place import TOKEN, Place, attempt

from nsfwcaps.review.people import accounts, logins
from nsfwcaps.review.people.accounts import Account


def resumed(place: Place) -> Account | None:
    """Who is signed in in this browser."""
    if TOKEN not in st.session_state:
        st.session_state[TOKEN] = kept_token()
    token = st.session_state[TOKEN]
    account = logins.resume(place.database, token, time.time()) if token else None
    if token and account is None:
        _forget()
        st.info("You have been signed out; nothing that you decided is lost.")
    keep_token(st.session_state[TOKEN])
    return account


def out(place: Place) -> None:
    """Sign out."""
    token = st.session_state[TOKEN]

    def end() -> None:
        with place.database.write() as connection:
            logins.sign_out(connection, token)

    _forget()
    attempt(end)


def _forget() -> None:
    """Leave nothing to whoever signs in next in this tab: what was typed, or an export."""
    for key in list(st.session_state):
        del st.session_state[key]
    st.session_state[TOKEN] = None


def draw(place: Place) -> None:
    """Draw the form to sign in, or the one for the first account."""
    with place.database.read() as connection:
        new = not accounts.any_exist(connection)
    st.header("Review of pairs")
    with st.form("sign-in", width=420):
        if new:
            st.write("Nobody has an account yet. The first one leads the review.")
            st.text_input("Code that the terminal shows", key="code")
        st.text_input("Name", key="name", max_chars=accounts.MAX_NAME_CHARS)
        # Managers of passwords take it for a new one otherwise.
        autocomplete = "new-password" if new else "current-password"
        st.text_input("Password", key="password", type="password", autocomplete=autocomplete)
        st.form_submit_button(
            "Make the account" if new else "Sign in",
            on_click=attempt,
            args=(lambda: _first(place) if new else _enter(place),),
            key="enter",
        )


def _first(place: Place) -> None:
    code, name, password = (st.session_state[key] for key in ("code", "name", "password"))
    logins.use_setup_code(place.database, code, name, password, time.time())
    _enter(place)


def _enter(place: Place) -> None:
    name, password = st.session_state["name"], st.session_state["password"]
    st.session_state[TOKEN] = logins.sign_in(place.database, name, password, time.time())
