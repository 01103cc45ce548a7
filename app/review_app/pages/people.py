"""For leads: the accounts of the review."""

from __future__ import annotations

import time
from collections.abc import Callable

import streamlit as st

from nsfwcaps.errors import InputError
from nsfwcaps.review.people import account_edits, accounts, identities
from nsfwcaps.review.people.account_edits import Change
from nsfwcaps.review.people.accounts import Account, Role
from review_app.actions import act_as_lead, report
from review_app.context import ReviewContext, oidc_providers

_DONE = {
    Change.MAKE_ANNOTATOR: "is an annotator now",
    Change.MAKE_LEAD: "is a lead now",
    Change.DISABLE: "is disabled and signed out",
    Change.ENABLE: "can sign in again",
}
_ALREADY = {
    Change.MAKE_ANNOTATOR: "is an annotator",
    Change.MAKE_LEAD: "is a lead",
    Change.DISABLE: "is disabled",
    Change.ENABLE: "can sign in",
}
_PASSWORD, _IDENTITY = "password", "identity at the provider"


def draw(context: ReviewContext, account: Account) -> None:
    """Draw all accounts, and the forms that add and edit them."""
    st.header("People")
    people = context.read(accounts.everyone)
    _table(people)
    st.caption("Verdicts and published data carry the pseudonym, never the name.")
    add, edit = st.columns(2)
    with add:
        _adding(context, account)
    names = {one.account_id: one.name for one in people}
    with edit:
        with st.form("edit"):
            st.subheader("Edit user")
            _who("edit-who", names)
            st.selectbox("Action", list(Change), key="edit-value", index=None)
            _button("Apply", "edit-user", lambda: _edit(context, account))
        with st.form("reset"):
            st.subheader("Set password")
            _who("reset-who", names)
            _password_field("reset-value", "New password")
            _button("Set password", "reset-user", lambda: _reset(context))
        if oidc_providers():
            with st.form("link"):
                st.subheader("Link identity")
                _who("link-who", names)
                _identity_field("link-value")
                _button("Link", "link-user", lambda: _link(context))


def _table(people: list[Account]) -> None:
    columns = {
        "name": [one.name for one in people],
        "role": [one.role.value for one in people],
        "can sign in": [not one.disabled for one in people],
        "must change password": [one.must_change for one in people],
        "pseudonym": [one.account_id for one in people],
    }
    if oidc_providers() or any(one.subject for one in people):
        columns["identity"] = [one.subject or "" for one in people]
    st.dataframe(columns, hide_index=True, width="content")


def _adding(context: ReviewContext, lead: Account) -> None:
    by_identity = False
    if oidc_providers():
        ways = [_PASSWORD, _IDENTITY]
        by_identity = st.radio("New users sign in with", ways, key="new-way") == _IDENTITY
    with st.form("add"):
        st.subheader("Add user")
        st.text_input("Name", key="new-name", max_chars=accounts.MAX_NAME_CHARS)
        if by_identity:
            _identity_field("new-identity")
        else:
            _password_field("new-password", "Initial password")
        st.selectbox("Role", list(Role), key="new-role")
        _button("Add", "add-user", lambda: _add(context, lead, by_identity))


def _button(label: str, key: str, action: Callable[[], None]) -> None:
    st.form_submit_button(label, on_click=act_as_lead, args=(action,), key=key)


def _who(key: str, names: dict[str, str]) -> None:
    """Draw the field in which a user is chosen."""
    st.selectbox(
        "User", list(names), format_func=lambda one: names.get(one, one), key=key, index=None
    )


def _password_field(key: str, label: str) -> None:
    st.text_input(
        label,
        key=key,
        type="password",
        autocomplete="new-password",
        help="Whoever gets it has to change it at the next sign-in.",
    )


def _identity_field(key: str) -> None:
    st.text_input(
        "Identity",
        key=key,
        help="Provider and subject, as the page shows them to the person who tries to sign in. "
        "It takes the place of the password.",
    )


def _chosen(context: ReviewContext, key: str) -> Account:
    account_id = st.session_state[key]
    if account_id is None:
        raise InputError("choose a user; nothing was changed")
    return context.read(accounts.get, account_id)


def _add(context: ReviewContext, lead: Account, by_identity: bool) -> None:
    state, database, now = st.session_state, context.database, time.time()
    name, role = state["new-name"], state["new-role"]
    if by_identity:
        made = identities.add(database, name, state["new-identity"], role, now, lead.account_id)
        way = "they sign in at the provider"
    else:
        made = account_edits.add(database, name, state["new-password"], role, now, lead.account_id)
        way = "they change the password when they first sign in"
    _clear("new-name", "new-password", "new-identity")
    report(f"'{made.name}' was added, {made.role}, pseudonym {made.account_id}; {way}")


def _edit(context: ReviewContext, lead: Account) -> None:
    who, change = _chosen(context, "edit-who"), st.session_state["edit-value"]
    if change is None:
        raise InputError("choose an action; nothing was changed")
    if _is_so(who, change):
        raise InputError(f"'{who.name}' {_ALREADY[change]} already; nothing was changed")
    account_edits.apply(context.database, who.account_id, change, lead.account_id)
    report(f"'{who.name}' {_DONE[change]}")


def _is_so(who: Account, change: Change) -> bool:
    match change:
        case Change.MAKE_ANNOTATOR:
            return who.role is Role.ANNOTATOR
        case Change.MAKE_LEAD:
            return who.role is Role.LEAD
        case Change.DISABLE:
            return who.disabled
        case Change.ENABLE:
            return not who.disabled


def _reset(context: ReviewContext) -> None:
    who = _chosen(context, "reset-who")
    account_edits.reset_password(context.database, who.account_id, st.session_state["reset-value"])
    _clear("reset-value")
    unlinked = "; they no longer sign in at the provider" if who.subject else ""
    report(
        f"'{who.name}' has a new password and is signed out; they change it when they next sign in"
        f"{unlinked}"
    )


def _link(context: ReviewContext) -> None:
    who = _chosen(context, "link-who")
    identities.link(context.database, who.account_id, st.session_state["link-value"])
    _clear("link-value")
    report(f"'{who.name}' signs in at the provider now, and has no password; they are signed out")


def _clear(*keys: str) -> None:
    """Empty fields whose content was used; after an error it stays."""
    for key in keys:
        if key in st.session_state:
            st.session_state[key] = ""
