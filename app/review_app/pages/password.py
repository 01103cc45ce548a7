"""Changing your own password: whoever created the account knows the first one."""

from __future__ import annotations

import time

import streamlit as st

from nsfwcaps.errors import InputError
from nsfwcaps.review.people import logins
from nsfwcaps.review.people.accounts import Account
from review_app.actions import TOKEN, act, report_after_reload
from review_app.context import ReviewContext

_FIELDS = {"now": "Current password", "new": "New password", "again": "Repeat the new password"}


def draw(context: ReviewContext, account: Account) -> None:
    """Draw the form."""
    st.header("My password")
    if account.subject is not None:
        st.write("You sign in at an identity provider. This review has no password of yours.")
        return
    if account.must_change:
        st.info("Another person has set your password. Change it to go on.")
    st.write("Change the password you were given. This signs you out everywhere else.")
    with st.form("change-password", width=420):
        for key, label in _FIELDS.items():
            kind = "current-password" if key == "now" else "new-password"
            st.text_input(label, key=key, type="password", autocomplete=kind)
        st.form_submit_button(
            "Change password",
            on_click=act,
            args=(lambda: _change(context, account),),
            key="set-password",
        )


def _change(context: ReviewContext, account: Account) -> None:
    now, new, again = (st.session_state[key] for key in _FIELDS)
    if new != again:
        raise InputError("the new passwords do not match; nothing was changed")
    token = logins.change_password(context.database, account, now, new, time.time())
    st.session_state[TOKEN] = token
    report_after_reload(token, "your password was changed; you are signed out everywhere else")
