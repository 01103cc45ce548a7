"""For leads: pairs on which annotators disagree, settled by a lead who has not judged them."""

from __future__ import annotations

import time
from functools import partial

import streamlit as st

from nsfwcaps.errors import InputError
from nsfwcaps.review.log import adjudication
from nsfwcaps.review.log.adjudication import Dispute
from nsfwcaps.review.log.answers import CHOICES, NAMES, RIGHT, Answers, Choice
from nsfwcaps.review.pairs import SIDES, Pair
from nsfwcaps.review.people.accounts import Account
from nsfwcaps.review.queue.policy import SEVERITY_NAMES
from review_app.actions import act_as_lead
from review_app.context import ReviewContext
from review_app.plain_text import plain, show_caption

_MOST = 200
_KEYS = {"safe text": "S", "unsafe text": "D", "safe image": "Shift+S", "unsafe image": "Shift+D"}


def draw(context: ReviewContext, account: Account) -> None:
    """Draw the first dispute."""
    st.header("Disputes")
    found = context.read(adjudication.disputes, account.account_id, _MOST)
    if not found:
        st.text("No disputes for you. Another lead settles those on pairs you judged.")
        return
    st.caption(f"{len(found)}{'+' if len(found) == _MOST else ''} to settle")
    dispute = found[0]
    pair = context.pairs.pair(dispute.pair_id)
    for column, side in zip(st.columns(2), SIDES, strict=True):
        with column, st.container(border=True):
            _side(context, dispute, pair, side)
    _opinions(dispute)
    _decision(context, account, dispute, pair)


def _side(context: ReviewContext, dispute: Dispute, pair: Pair, side: str) -> None:
    st.subheader(side)
    about = f"{dispute.category} · {SEVERITY_NAMES[dispute.severity]}"
    st.text(about if side == "unsafe" else dispute.level)
    if _is_uncovered("text", side, pair):
        show_caption(pair.caption(side))
    if side in pair.images and _is_uncovered("image", side, pair):
        try:
            st.image(context.pairs.image(pair.pair_id, side))
        except InputError as error:
            st.warning(plain(str(error)))


def _is_uncovered(kind: str, side: str, pair: Pair) -> bool:
    key = _uncovered(kind, side, pair.pair_id)
    if st.session_state.get(key):
        return True
    st.button(
        f"Show the {kind}",
        key=f"{kind}-{side}-{pair.pair_id}",
        shortcut=_KEYS[f"{side} {kind}"],
        on_click=st.session_state.update,
        args=({key: True},),
    )
    return False


def _uncovered(kind: str, side: str, pair_id: str) -> str:
    """Key of the session state that is set once something was uncovered."""
    return f"uncovered {side} {kind} {pair_id}"


def _opinions(dispute: Dispute) -> None:
    st.subheader("Opinions")
    said = dispute.opinions
    st.dataframe(
        {
            "": [opinion.letter for opinion in said],
            **{
                name.replace("_", " "): [_shown(opinion.answers, name) for opinion in said]
                for name in ("choice", *NAMES)
            },
        },
        hide_index=True,
    )
    for opinion in said:
        if opinion.answers.comment:
            st.text(f"{opinion.letter}: {opinion.answers.comment}", width="stretch")
        for side in SIDES:
            fixed = getattr(opinion.answers, f"{side}_caption")
            if fixed and st.toggle(
                f"Show the {side} text as edited by {opinion.letter}",
                key=f"fixed-{side}-{opinion.letter}-{dispute.pair_id}",
            ):
                show_caption(fixed)


def _decision(context: ReviewContext, account: Account, dispute: Dispute, pair: Pair) -> None:
    st.subheader("Your decision")
    key = dispute.pair_id
    st.selectbox(
        "Category",
        [RIGHT, *(name for name in context.pairs.categories if name != dispute.category)],
        format_func=lambda name: f"{dispute.category} (unchanged)" if name == RIGHT else name,
        key=f"category-{key}",
    )
    st.text_area("Comment", key=f"comment-{key}")
    if st.toggle("Edit a caption", key=f"fixing-{key}"):
        for side in SIDES:
            if st.session_state.get(_uncovered("text", side, key)):
                st.text_area(f"{side} text", pair.caption(side), key=f"fix-{side}-{key}")
            else:
                st.text(f"Show the {side} text to edit it.")
    with st.container(horizontal=True):
        for option in CHOICES:
            choice = Choice(option.value)
            if choice is Choice.FIX and not st.session_state.get(f"fixing-{key}"):
                continue
            st.button(
                option.label,
                shortcut=option.key,
                key=f"settle-{choice}-{key}",
                on_click=act_as_lead,
                args=(partial(_settle, context, account, pair, choice),),
            )


def _settle(context: ReviewContext, account: Account, pair: Pair, choice: Choice) -> None:
    state, key = st.session_state, pair.pair_id
    shown = (_uncovered(kind, side, key) for kind in ("text", "image") for side in SIDES)
    if not any(state.get(name) for name in shown):
        raise InputError("show a text or an image of the pair before you settle it")
    decided = Answers(
        category=state[f"category-{key}"],
        choice=choice,
        safe_caption=state.get(f"fix-safe-{key}"),
        unsafe_caption=state.get(f"fix-unsafe-{key}"),
        comment=state.get(f"comment-{key}"),
    )
    adjudication.settle_dispute(context.database, account.account_id, pair, decided, time.time())


def _shown(given: Answers, name: str) -> str:
    value = getattr(given, name)
    return "" if value is None else str(value)
