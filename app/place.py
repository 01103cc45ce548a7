"""What every page needs: the open database and data set, and errors as messages."""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import streamlit as st

from nsfwcaps.errors import ConfigError, NsfwcapsError, ReviewError
from nsfwcaps.review.database import Database
from nsfwcaps.review.pairs import ReviewPairs
from nsfwcaps.review.people import logins
from nsfwcaps.review.people.accounts import Role

TOKEN = "token"
_SAID = "said"
_LONG_CHARS, _LONG_PX = 400, 160
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|$:~&])")
# Icons, addresses and arrows are looked for after Markdown was read: there no backslash helps, and
# a character that has no width must stand between.
_LATER = re.compile(
    r"(?<=:)(?=[\w/+-]*:|//)|(?<=@)(?=[\w-]+\.)|(?<=www)(?=\.)|(?<=[<>~-])(?=[->=]+(?:\s|$))",
    re.IGNORECASE,
)
_WORD_JOINER = "\u2060"


@dataclass(frozen=True)
class Place:
    """The review that the pages are of."""

    database: Database
    pairs: ReviewPairs


def opened() -> Place:
    """The review that the environment names, opened once for everybody.

    Raises:
        NsfwcapsError: it cannot be opened.
    """
    name, data = (os.environ.get(f"NSFWCAPS_REVIEW_{what}") for what in ("DB", "DATA"))
    if not name or not data:
        raise ConfigError("start this page with 'nsfwcaps review --data RUN'")
    return _open(name, data)


@st.cache_resource(show_spinner="Opening the data set")
def _open(name: str, data: str) -> Place:
    return Place(Database(name), ReviewPairs(Path(data)))


@contextlib.contextmanager
def shown_errors() -> Iterator[None]:
    """Say in the page what went wrong, then and in the action before."""
    if said := st.session_state.pop(_SAID, None):
        st.warning(plain(said))
    try:
        yield
    except NsfwcapsError as error:
        st.error(plain(str(error)))


def attempt(action: Callable[[], object]) -> None:
    """Do something; the next drawing says what went wrong."""
    try:
        action()
    except NsfwcapsError as error:
        st.session_state[_SAID] = str(error)


def act(action: Callable[[], object]) -> None:
    """Do what a button stands for, if whoever it was drawn for is still signed in."""
    attempt(partial(_allowed, action, lead=False))


def act_as_lead(action: Callable[[], object]) -> None:
    """Do what a lead's button stands for, if they still are one."""
    attempt(partial(_allowed, action, lead=True))


def _allowed(action: Callable[[], object], *, lead: bool) -> None:
    # A button does its work before the page is drawn anew, and that page may be hours old.
    check_signed_in(opened(), st.session_state.get(TOKEN), lead=lead)
    action()


def check_signed_in(place: Place, token: str | None, *, lead: bool) -> None:
    """Look whether a token is good, and a lead's where it must be one.

    Raises:
        ReviewError: it is not.
    """
    with place.database.read() as connection:
        account = logins.signed_in(connection, token, time.time()) if token else None
    if account is None:
        raise ReviewError("you have been signed out, and this was not done")
    if lead and account.role is not Role.LEAD:
        raise ReviewError("only leads may do this, and it was not done")


def show_caption(text: str) -> None:
    """Show a caption; a long one scrolls, so that what is asked below stays in sight."""
    with st.container(height=_LONG_PX if len(text) > _LONG_CHARS else "content", border=False):
        st.text(text, width="stretch")


def plain(text: str) -> str:
    """Text that shows as it is, in one line, where Streamlit reads Markdown."""
    return _MARKDOWN.sub(r"\\\1", _LATER.sub(_WORD_JOINER, " ".join(text.split())))
