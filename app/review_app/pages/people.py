"""For leads: the accounts of the review."""

from __future__ import annotations

import time

import streamlit as st

from nsfwcaps.errors import InputError
from nsfwcaps.review.people import account_edits, accounts
from nsfwcaps.review.people.account_edits import Change
from nsfwcaps.review.people.accounts import Account, Role
from review_app.actions import act_as_lead
from review_app.context import ReviewContext


def draw(context: ReviewContext, account: Account) -> None:
    """Draw all accounts, and the forms that add and edit them."""
    st.header("People")
    people = context.read(accounts.everyone)
    st.dataframe(
        {
            "name": [one.name for one in people],
            "role": [one.role.value for one in people],
            "can sign in": [not one.disabled for one in people],
            "pseudonym": [one.account_id for one in people],
        },
        hide_index=True,
        width="content",
    )
    st.caption("Verdicts and published data carry the pseudonym, never the name.")
    add, edit = st.columns(2)
    with add.form("add", clear_on_submit=True):
        st.subheader("Add user")
        st.text_input("Name", key="new-name", max_chars=accounts.MAX_NAME_CHARS)
        st.text_input("Initial password", key="new-password", type="password")
        st.selectbox("Role", list(Role), key="new-role")
        st.form_submit_button(
            "Add", on_click=act_as_lead, args=(lambda: _add(context, account),), key="add-user"
        )
    with edit.form("edit"):
        st.subheader("Edit user")
        st.selectbox("Name", people, format_func=lambda one: one.name, key="who", index=None)
        st.selectbox("Action", list(Change), key="change", index=None)
        st.form_submit_button(
            "Apply", on_click=act_as_lead, args=(lambda: _edit(context, account),), key="edit-user"
        )


def _add(context: ReviewContext, lead: Account) -> None:
    name, password, role = (st.session_state[f"new-{key}"] for key in ("name", "password", "role"))
    account_edits.add(context.database, name, password, role, time.time(), lead.account_id)


def _edit(context: ReviewContext, lead: Account) -> None:
    who, change = st.session_state["who"], st.session_state["change"]
    if who is None or change is None:
        raise InputError("choose a user and an action")
    account_edits.apply(context.database, who.account_id, change, lead.account_id)
