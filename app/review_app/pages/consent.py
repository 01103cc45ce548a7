"""Before a session: what is in the queue, and which categories the person leaves out."""

from __future__ import annotations

from functools import partial

import streamlit as st

from nsfwcaps.review.people.accounts import Account
from nsfwcaps.review.queue import guidelines
from nsfwcaps.review.queue.desk import Desk
from nsfwcaps.review.queue.policy import SEVERITY_NAMES
from nsfwcaps.review.queue.states import Consent
from review_app.actions import act
from review_app.context import ReviewContext
from review_app.judging import rested_keys

_TEXT = """
Some of these captions and images are meant to be unpleasant. Everything stays covered until you
uncover it, and you never need to uncover more than a question asks about. Covers do not protect you
from what is under them. Seeing less does, so there are caps and breaks. You can skip any pair and
stop at any time. Nobody sees that you did, and nobody asks why.
"""


def draw(context: ReviewContext, account: Account, desk: Desk, waiting: Consent) -> None:
    """Draw what is in the queue; a button starts the session."""
    st.header("Before you begin")
    st.write(_TEXT)
    _guidelines(context)
    st.subheader("Your queue")
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
        "Categories I do not want to see",
        context.pairs.categories,
        default=[name for name in waiting.opted_out if name in context.pairs.categories],
        key="opted-out",
    )
    left = waiting.left
    st.write(
        f"This session ends after {left.pairs} pairs, {left.reveals} uncovered texts and images, "
        f"or {left.minutes:.0f} minutes."
    )
    st.button(
        "I have read this, begin",
        type="primary",
        on_click=act,
        args=(lambda: desk.consent(list(st.session_state["opted-out"])),),
        key="begin",
    )
    undo = ""
    if (last := waiting.undoable) is not None:
        undo = f"undo-{last.token}"
        st.button(
            last.label,
            type="tertiary",
            on_click=act,
            args=(partial(desk.undo, last.token),),
            key=undo,
        )
    rested_keys.mount(context, account, undo=undo, begin="begin")


def _guidelines(context: ReviewContext) -> None:
    found = context.read(guidelines.of)
    if found is None:
        return
    if not found.html.lstrip().startswith("<h"):  # no heading of their own
        st.subheader("Guidelines")
    with st.container(border=True):
        st.html(found.html)  # rendered from Markdown without HTML, scripts or images
