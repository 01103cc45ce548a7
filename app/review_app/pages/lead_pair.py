"""A pair on a page of leads, covered; what is uncovered counts for the lead alone."""

from __future__ import annotations

import time
from functools import partial

import streamlit as st

from nsfwcaps.errors import InputError
from nsfwcaps.review.pairs import SIDES, Pair
from nsfwcaps.review.people.accounts import Account
from nsfwcaps.review.queue import lead_exposure
from nsfwcaps.review.queue.policy import SEVERITY_NAMES
from review_app.actions import act_as_lead
from review_app.context import ReviewContext
from review_app.plain_text import plain, show_caption

_UNCOVERED = "uncovered by a lead"
_KINDS = ("text", "image")


def show(context: ReviewContext, account: Account, pair: Pair, about: str) -> None:
    """Draw both sides. `about` is the category and severity, shown on the unsafe side."""
    for column, side in zip(st.columns(2), SIDES, strict=True):
        with column, st.container(border=True):
            st.subheader(side)
            st.text(about if side == "unsafe" else pair.level)
            if uncovered_or_button(context, account, pair.pair_id, f"{side} text"):
                show_caption(pair.caption(side))
            if side in pair.images:
                _image(context, account, pair, side)


def about(category: str, severity: int) -> str:
    """What covers say of the unsafe side."""
    return f"{category} · {SEVERITY_NAMES[severity]}"


def is_uncovered(pair_id: str, what: str) -> bool:
    """Whether the lead has uncovered an item in this tab."""
    return (pair_id, what) in st.session_state.get(_UNCOVERED, set())


def has_seen(pair_id: str) -> bool:
    """Whether the lead has uncovered a text or an image of a pair in this tab."""
    return any(is_uncovered(pair_id, f"{side} {kind}") for side in SIDES for kind in _KINDS)


def left(context: ReviewContext, account: Account) -> None:
    """Say what the lead may still uncover."""
    rest = context.read(lead_exposure.left, account.account_id, time.time())
    st.caption(
        f"You may uncover {rest.reveals} more texts and images on the pages of leads "
        f"{'in this hour' if rest.in_hour < rest.in_day else 'today'}. They are in your own record."
    )


def uncovered_or_button(
    context: ReviewContext, account: Account, pair_id: str, what: str, *, of: str = ""
) -> bool:
    """Whether an item is uncovered; draw the button for it if not.

    `of` names whose version of a text it is.
    """
    if is_uncovered(pair_id, what + of):
        return True
    side, kind = what.split()
    st.button(
        f"Show the {side} {kind} as edited by {of}" if of else f"Show the {kind}",
        key=f"{kind}-{side}-{of}-{pair_id}",
        on_click=act_as_lead,
        args=(partial(_uncover, context, account, pair_id, what, of),),
    )
    return False


def _uncover(context: ReviewContext, account: Account, pair_id: str, what: str, of: str) -> None:
    lead_exposure.uncover(
        context.database, context.pairs, account.account_id, pair_id, what, time.time()
    )
    st.session_state.setdefault(_UNCOVERED, set()).add((pair_id, what + of))


def _image(context: ReviewContext, account: Account, pair: Pair, side: str) -> None:
    if not uncovered_or_button(context, account, pair.pair_id, f"{side} image"):
        return
    try:
        st.image(context.pairs.image(pair.pair_id, side))
    except InputError as error:
        st.warning(plain(str(error)))
