"""What buttons do: checked again when they are pressed, with errors as messages in the page."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from functools import partial

import streamlit as st

from nsfwcaps.errors import NsfwcapsError, ReviewError
from nsfwcaps.review.people import logins
from nsfwcaps.review.people.accounts import Role
from review_app.context import ReviewContext, opened
from review_app.login_cookie import token_of_browser
from review_app.plain_text import plain

TOKEN = "token"
"""Key of the session state that holds the token of the login."""
_FAILED, _DONE = "failed", "done"


@contextlib.contextmanager
def shown_errors() -> Iterator[None]:
    """Show errors of this drawing, and what came of the action before it."""
    if message := st.session_state.pop(_FAILED, None):
        st.warning(plain(message))
    message = _after_reload().pop(token_of_browser() or "", None)
    if message := st.session_state.pop(_DONE, message):
        st.success(plain(message))
    try:
        yield
    except NsfwcapsError as error:
        st.error(plain(str(error)))


def attempt(action: Callable[[], object]) -> None:
    """Run an action; the next drawing shows its error."""
    try:
        action()
    except NsfwcapsError as error:
        st.session_state[_FAILED] = str(error)


def report(message: str) -> None:
    """Let the next drawing say what an action did, and to whom."""
    st.session_state[_DONE] = message


def report_after_reload(token: str, message: str) -> None:
    """Let the page say it that opens with a new login: session state does not live that long."""
    _after_reload()[token] = message


@st.cache_resource(show_spinner=False)
def _after_reload() -> dict[str, str]:
    return {}


def act(action: Callable[[], object]) -> None:
    """Run the action of a button, if the person is still signed in."""
    attempt(partial(_allowed, action, lead=False))


def act_as_lead(action: Callable[[], object]) -> None:
    """Run the action of a lead's button, if the person is still signed in and a lead."""
    attempt(partial(_allowed, action, lead=True))


def _allowed(action: Callable[[], object], *, lead: bool) -> None:
    # Actions run before the page is drawn again, and what was drawn may be hours old.
    check_signed_in(opened(), st.session_state.get(TOKEN), lead=lead)
    action()


def check_signed_in(context: ReviewContext, token: str | None, *, lead: bool) -> None:
    """Check that a token is valid, and a lead's where `lead` is set; this counts as use.

    Raises:
        ReviewError: it is not.
    """
    account = logins.resume(context.database, token, time.time()) if token else None
    if account is None:
        raise ReviewError("you are signed out; nothing was saved")
    if lead and account.role is not Role.LEAD:
        raise ReviewError("only leads can do this; nothing was saved")
