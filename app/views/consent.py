"""Before a session: what waits, and what somebody does not want to see."""

from __future__ import annotations

import streamlit as st
from place import Place, act

from nsfwcaps.review.queue.desk import Consent, Desk
from nsfwcaps.review.queue.policy import SEVERITY_NAMES

_TEXT = """
Some of these captions and images are unpleasant by intent. Everything is covered until you uncover
it, and you need not uncover more than a question asks for. Covers do not protect from what is under
them: what helps is to see less. So there are caps and breaks, and you may skip any pair and stop at
any time. Nobody is told that you did, or asks why.
"""


def draw(place: Place, desk: Desk, waiting: Consent) -> None:
    """Draw what waits; a button begins the session."""
    st.header("Before you begin")
    st.write(_TEXT)
    st.subheader("What waits for you")
    st.dataframe(
        {
            "category": [name for name, _, _ in waiting.histogram],
            "severity": [SEVERITY_NAMES[level] for _, level, _ in waiting.histogram],
            "pairs": [count for _, _, count in waiting.histogram],
        },
        hide_index=True,
        width="content",
    )
    st.multiselect(
        "Categories that I do not want to see",
        place.pairs.categories,
        default=[name for name in waiting.opted_out if name in place.pairs.categories],
        key="opted-out",
    )
    left = waiting.left
    st.write(
        f"This session ends after {left.pairs} pairs, {left.reveals} uncovered texts and images, "
        f"or {left.minutes:.0f} minutes."
    )
    st.button(
        "I have read this; begin",
        type="primary",
        shortcut="Enter",
        on_click=act,
        args=(lambda: desk.consent(list(st.session_state["opted-out"])),),
        key="begin",
    )
