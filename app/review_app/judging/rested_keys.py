"""Keys of the pages around the pairs: they press a button, but only after a rest."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from nsfwcaps.review.people import keys
from nsfwcaps.review.people.accounts import Account
from review_app.context import ReviewContext

_FOLDER = Path(__file__).parent / "script"


def mount(context: ReviewContext, account: Account, *, undo: str = "", begin: str = "") -> None:
    """Let the person's own key press undo, and Enter begin; both are keys of buttons, if shown."""
    mine = context.read(keys.of, account.account_id)
    buttons: dict[str, str] = {"Enter": begin} if begin else {}
    if undo and not mine.off:
        key = mine.of_command["undo"]
        buttons[key] = undo
        st.caption(f"The key {key} undoes it, after a moment without keys.")
    _component()(data={"buttons": buttons}, key="rested-keys")


@st.cache_resource(show_spinner=False)
def _component() -> st.components.v2.types.ComponentRenderer:
    names = ("keys.js", "rested_keys.js")
    js = "\n".join((_FOLDER / name).read_text(encoding="utf-8") for name in names)
    return st.components.v2.component("nsfwcaps_rested_keys", js=js)
