"""For leads: who takes part."""

from __future__ import annotations

import time

import streamlit as st
from place import Place, act_as_lead

from nsfwcaps.errors import InputError
from nsfwcaps.review.people import accounts
from nsfwcaps.review.people.accounts import Account, Role


def draw(place: Place, account: Account) -> None:
    """Draw everybody, and the forms that add and change them."""
    st.header("People")
    with place.database.read() as connection:
        people = accounts.everyone(connection)
    st.dataframe(
        {
            "name": [one.name for one in people],
            "role": [one.role.value for one in people],
            "may sign in": [not one.disabled for one in people],
            "pseudonym": [one.account_id for one in people],
        },
        hide_index=True,
        width="content",
    )
    st.caption("Verdicts and published data carry the pseudonym, never the name.")
    add, change = st.columns(2)
    with add.form("add", clear_on_submit=True):
        st.subheader("Add somebody")
        st.text_input("Name", key="new-name", max_chars=accounts.MAX_NAME_CHARS)
        st.text_input("Password, to be handed over", key="new-password", type="password")
        st.selectbox("Role", list(Role), key="new-role")
        st.form_submit_button(
            "Add", on_click=act_as_lead, args=(lambda: _add(place),), key="add-person"
        )
    with change.form("change"):
        st.subheader("Change somebody")
        st.selectbox("Name", people, format_func=lambda one: one.name, key="who", index=None)
        st.selectbox("To", ["annotator", "lead", "shut out", "let in again"], key="to", index=None)
        st.form_submit_button(
            "Change", on_click=act_as_lead, args=(lambda: _change(place),), key="change-person"
        )


def _add(place: Place) -> None:
    state = st.session_state
    name, role = accounts.clean_name(state["new-name"]), state["new-role"]
    hashed = accounts.hash_password(name, state["new-password"])  # slow: not inside the write
    with place.database.write() as connection:
        accounts.create(connection, name, hashed, role, time.time())


def _change(place: Place) -> None:
    who, to = st.session_state["who"], st.session_state["to"]
    if who is None or to is None:
        raise InputError("say who is to be changed, and to what")
    with place.database.write() as connection:
        if to == "shut out":
            accounts.disable(connection, who.account_id)
        elif to == "let in again":
            accounts.enable(connection, who.account_id)
        else:
            accounts.set_role(connection, who.account_id, Role(to))
