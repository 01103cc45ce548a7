"""Signing in and out, and creating the first lead's account."""

from __future__ import annotations

import time
from functools import partial

import streamlit as st

from nsfwcaps.review.people import accounts, logins
from nsfwcaps.review.people.accounts import Account
from review_app.actions import TOKEN, attempt
from review_app.browser import guard_keyboard
from review_app.context import ReviewContext
from review_app.login_cookie import forget, hand_over, token_of_browser
from review_app.pages import provider_sign_in

_LEFT = "left the login"
"""Key of the session state that is set by signing out."""


def resumed(context: ReviewContext) -> Account | None:
    """Account whose login the browser's cookie holds."""
    guard_keyboard()
    if TOKEN not in st.session_state:
        st.session_state[TOKEN] = token_of_browser()
    token = st.session_state[TOKEN]
    account = logins.resume(context.database, token, time.time()) if token else None
    if token and account is None:
        _leave()
        st.info("You have been signed out. All your verdicts are saved.")
        forget(stays=True)
    if account is not None:
        provider_sign_in.forget_failure()
    # A new login is not used before the browser has its cookie.
    return account if token == token_of_browser() else None


def out(context: ReviewContext) -> None:
    """Sign out."""
    token = st.session_state[TOKEN]
    _leave()
    st.session_state[_LEFT] = True
    attempt(partial(logins.sign_out, context.database, token))


def _leave() -> None:
    """Leave nothing for the next person in this tab: neither typed text nor an export."""
    for key in list(st.session_state):
        del st.session_state[key]
    st.session_state[TOKEN] = None


def draw(context: ReviewContext) -> None:
    """Draw the form to sign in, or the one for the first account; then hand the login over."""
    if st.session_state[TOKEN]:
        hand_over(st.session_state[TOKEN])
        return
    if st.session_state.pop(_LEFT, False):
        # Leaving the page for the provider's takes the place of opening it again.
        used = provider_sign_in.is_used()
        forget(stays=used)
        if used:
            st.logout()
        return
    new = not context.read(accounts.any_exist)
    st.header("Pair review")
    with st.form("sign-in", width=420):
        if new:
            st.write("There are no accounts yet. The first one will be a lead.")
            st.text_input("Setup code from the terminal", key="code")
        st.text_input("Name", key="name", max_chars=accounts.MAX_NAME_CHARS)
        # Tells password managers whether to fill in a password or suggest one.
        autocomplete = "new-password" if new else "current-password"
        st.text_input("Password", key="password", type="password", autocomplete=autocomplete)
        st.form_submit_button(
            "Create account" if new else "Sign in",
            on_click=attempt,
            args=(lambda: _first(context) if new else _enter(context),),
            key="enter",
        )
    if not new:
        provider_sign_in.draw(context)


def _first(context: ReviewContext) -> None:
    code, name, password = (st.session_state[key] for key in ("code", "name", "password"))
    logins.use_setup_code(context.database, code, name, password, time.time())
    _enter(context)


def _enter(context: ReviewContext) -> None:
    name, password = st.session_state["name"], st.session_state["password"]
    st.session_state[TOKEN] = logins.sign_in(context.database, name, password, time.time())
