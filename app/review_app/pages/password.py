"""Changing your own password: whoever created the account knows the first one."""

from __future__ import annotations

import time

import streamlit as st

from nsfwcaps.errors import InputError
from nsfwcaps.review.people import logins
from nsfwcaps.review.people.accounts import Account
from review_app.actions import TOKEN, act
from review_app.context import ReviewContext


def draw(context: ReviewContext, account: Account) -> None:
    """Draw the form."""
    st.header("My password")
    st.write("Change the password you were given. This signs you out everywhere else.")
    with st.form("change-password", width=420, clear_on_submit=True):
        st.text_input(
            "Current password", key="now", type="password", autocomplete="current-password"
        )
        for key, label in (("new", "New password"), ("again", "Repeat the new password")):
            st.text_input(label, key=key, type="password", autocomplete="new-password")
        st.form_submit_button(
            "Change password",
            on_click=act,
            args=(lambda: _change(context, account),),
            key="set-password",
        )


def _change(context: ReviewContext, account: Account) -> None:
    now, new, again = (st.session_state[key] for key in ("now", "new", "again"))
    if new != again:
        raise InputError("the new passwords do not match; nothing was changed")
    st.session_state[TOKEN] = logins.change_password(
        context.database, account, now, new, time.time()
    )
