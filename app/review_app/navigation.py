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
        _sign_in(context)
        return
    sections = {"": PAGES, **({"Leads": LEAD_PAGES} if account.role is Role.LEAD else {})}
    page = st.navigation(
        {
            section: [
                st.Page(partial(shown, context, account), title=title, url_path=address)
                for title, address, shown in pages
            ]
            for section, pages in sections.items()
        }
    )
    with st.sidebar:
        st.text(f"{account.name} ({account.role})")
        st.button("Sign out", on_click=sign_in.out, args=(context,), key="sign-out")
    page.run()


def _sign_in(context: ReviewContext) -> None:
    # Every address is known here too, without a menu: whoever signs in goes on to the page asked
    # for. Those of leads are then unknown to others.
    form = partial(sign_in.draw, context)
    pages = [
        st.Page(form, title=title, url_path=address) for title, address, _ in (*PAGES, *LEAD_PAGES)
    ]
    st.navigation(pages, position="hidden").run()
