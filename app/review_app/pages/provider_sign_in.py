"""Signing in at an OIDC provider, beside passwords.

Streamlit keeps who the provider says a person is in a cookie of its own, for 30 days. Here it
begins a login once, shortly after it was issued; from then on the login's own rules apply.
"""

from __future__ import annotations

import time
from functools import partial

import streamlit as st

from nsfwcaps.errors import InputError
from nsfwcaps.review.people import identities
from nsfwcaps.review.people.providers import DEFAULT
from review_access.provider_answers import FAILED, OUTCOME, UNREACHABLE
from review_app.actions import TOKEN
from review_app.context import ReviewContext, oidc_providers
from review_app.plain_text import plain

_FAILURES = {
    UNREACHABLE: "The identity provider could not be reached. "
    "Sign in with a password, or try again later.",
    FAILED: "Signing in at the identity provider did not succeed. "
    "Try again, or sign in with a password.",
}


def draw(context: ReviewContext) -> None:
    """Let in whom a provider has just named, and draw a button for each provider."""
    names = oidc_providers()
    if not names:
        return
    if st.user.get("is_logged_in"):
        _enter(context)
    if failure := _FAILURES.get(st.query_params.get(OUTCOME, "")):
        st.warning(failure)
    for name in names:
        whose = "the identity provider" if name == DEFAULT else plain(name)
        st.button(
            f"Sign in with {whose}",
            on_click=partial(st.login, None if name == DEFAULT else name),
            key=f"provider-{name}",
        )


def forget_failure() -> None:
    """Take a failure out of the page's address, for whoever got in since."""
    st.query_params.pop(OUTCOME, None)


def is_used() -> bool:
    """Whether a provider has named a person in this browser, who can then sign out there too."""
    return bool(oidc_providers() and st.user.get("is_logged_in"))


def _enter(context: ReviewContext) -> None:
    claims = st.user.to_dict()
    try:
        token = identities.enter(context.database, claims, time.time())
    except InputError as error:
        st.error(plain(str(error)))
        st.code(identities.subject(claims), language=None, wrap_lines=True)
        st.button("Sign out at the provider", on_click=st.logout, key="provider-out")
        return
    if token is not None:
        st.session_state[TOKEN] = token
        st.rerun()
