"""The menu, and the page that the address names."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import streamlit as st

from nsfwcaps.review.people.accounts import Account, Role
from review_app.context import ReviewContext
from review_app.pages import (
    comments,
    disputes,
    export,
    judge,
    keys,
    password,
    people,
    progress,
    record,
    sign_in,
    verdicts,
)

Draw = Callable[[ReviewContext, Account], None]

# Title, last part of the address, and what draws the page. The first one is the default.
PAGES: list[tuple[str, str, Draw]] = [
    ("Judge", "judge", judge.draw),
    ("My verdicts", "verdicts", verdicts.draw),
    ("My record", "record", record.draw),
    ("My keys", "keys", keys.draw),
    ("My password", "password", password.draw),
]
LEAD_PAGES: list[tuple[str, str, Draw]] = [
    ("Progress", "progress", progress.draw),
    ("Disputes", "disputes", disputes.draw),
    ("Comments", "comments", comments.draw),
    ("People", "people", people.draw),
    ("Export", "export", export.draw),
]


def draw(context: ReviewContext, account: Account | None) -> None:
    """Draw the page that the address names; for nobody, the form to sign in in its place."""
    if account is None:
        # Addresses of leads are then unknown to others.
        _everywhere(partial(sign_in.draw, context), "Sign in")
        return
    if account.must_change:
        _whose(context, account)
        _everywhere(partial(password.draw, context, account), "My password")
        return
    # Sections would make the menu a list that screen readers cannot read as one.
    page = st.navigation(
        [
            st.Page(partial(shown, context, account), title=title, url_path=address)
            for title, address, shown in (
                *PAGES,
                *(LEAD_PAGES if account.role is Role.LEAD else ()),
            )
        ],
        expanded=True,
    )
    _title(page.title)
    _whose(context, account)
    page.run()


def _whose(context: ReviewContext, account: Account) -> None:
    with st.sidebar:
        st.text(f"{account.name} ({account.role})")
        st.button("Sign out", on_click=sign_in.out, args=(context,), key="sign-out")


def _everywhere(shown: Callable[[], None], title: str) -> None:
    """Draw one page at every address, without a menu: then people go on to what they asked for."""
    pages = [
        st.Page(shown, title=title, url_path=address) for _, address, _ in (*PAGES, *LEAD_PAGES)
    ]
    page = st.navigation(pages, position="hidden")
    _title(title)
    page.run()


def _title(page: str) -> None:
    """Give the tab of the browser a title of its own."""
    st.set_page_config(page_title=f"{page} - nsfwcaps review")
