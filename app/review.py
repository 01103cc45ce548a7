"""The review in a browser; `nsfwcaps review` starts it.

Pages are thin: they draw what `nsfwcaps.review` says, and call it when a button is pressed. What
comes from the data set, names and comments are shown as plain text, never as Markdown or HTML.
"""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st
from place import Place, opened, shown_errors
from views import disputes, export, judge, password, people, progress, record, sign_in

from nsfwcaps.review.people.accounts import Account, Role

PAGES: dict[str, Callable[[Place, Account], None]] = {
    "Judge": judge.draw,
    "My record": record.draw,
    "My password": password.draw,
}
LEAD_PAGES: dict[str, Callable[[Place, Account], None]] = {
    "Progress": progress.draw,
    "Disputes": disputes.draw,
    "People": people.draw,
    "Export": export.draw,
}


def main() -> None:
    """Draw the page of whoever is signed in."""
    st.set_page_config(page_title="nsfwcaps review", layout="wide")
    with shown_errors():
        place = opened()
        account = sign_in.resumed(place)
        if account is None:
            sign_in.draw(place)
            return
        pages = {**PAGES, **(LEAD_PAGES if account.role is Role.LEAD else {})}
        pages[_menu(place, account, list(pages))](place, account)


def _menu(place: Place, account: Account, names: list[str]) -> str:
    """The page that was chosen; the address keeps it over a reload."""
    asked = st.query_params.get("page", names[0])
    with st.sidebar:
        st.text(f"{account.name} ({account.role})")
        chosen = st.radio(
            "Page",
            names,
            index=names.index(asked) if asked in names else 0,
            key="page",
            label_visibility="collapsed",
        )
        st.button("Sign out", on_click=sign_in.out, args=(place,), key="sign-out")
    st.query_params["page"] = chosen
    return chosen


main()
