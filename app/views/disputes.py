"""For leads: pairs on which people disagree, to be settled by somebody who has not judged them."""

from __future__ import annotations

import time
from functools import partial

import streamlit as st
from place import Place, act_as_lead, plain, show_caption

from nsfwcaps.errors import InputError
from nsfwcaps.review.log import adjudication, answers
from nsfwcaps.review.log.adjudication import Dispute
from nsfwcaps.review.log.answers import CHOICES, NAMES, Answers, Choice
from nsfwcaps.review.pairs import SIDES, Pair
from nsfwcaps.review.people.accounts import Account
from nsfwcaps.review.queue.policy import SEVERITY_NAMES
from views.task import KEYS

_MOST = 200


def draw(place: Place, account: Account) -> None:
    """Draw the first dispute."""
    st.header("Disputes")
    with place.database.read() as connection:
        found = adjudication.disputes(connection, account.account_id, _MOST)
    if not found:
        st.text("No pair is in dispute, but perhaps some that you judged yourself.")
        return
    st.caption(f"{len(found)}{' or more' if len(found) == _MOST else ''} to settle")
    dispute = found[0]
    pair = place.pairs.pair(dispute.pair_id)
    for column, side in zip(st.columns(2), SIDES, strict=True):
        with column, st.container(border=True):
            _side(place, dispute, pair, side)
    _opinions(dispute)
    _decision(place, account, dispute, pair)


def _side(place: Place, dispute: Dispute, pair: Pair, side: str) -> None:
    st.subheader(side)
    about = f"{dispute.category} · {SEVERITY_NAMES[dispute.severity]}"
    st.text(about if side == "unsafe" else dispute.level)
    if _is_uncovered("text", side, pair):
        show_caption(pair.caption(side))
    if side in pair.images and _is_uncovered("image", side, pair):
        try:
            st.image(place.pairs.image(pair.pair_id, side))
        except InputError as error:
            st.warning(plain(str(error)))


def _is_uncovered(kind: str, side: str, pair: Pair) -> bool:
    key = _uncovered(kind, side, pair.pair_id)
    if st.session_state.get(key):
        return True
    st.button(
        f"Show the {kind}",
        key=f"{kind}-{side}-{pair.pair_id}",
        shortcut=KEYS[f"{side} {kind}"],
        on_click=st.session_state.update,
        args=({key: True},),
    )
    return False


def _uncovered(kind: str, side: str, pair_id: str) -> str:
    """Key of the session under which it says that something was uncovered."""
    return f"uncovered {side} {kind} {pair_id}"


def _opinions(dispute: Dispute) -> None:
    st.subheader("What was said")
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
                f"Show how {opinion.letter} would have the {side} text",
                key=f"fixed-{side}-{opinion.letter}-{dispute.pair_id}",
            ):
                show_caption(fixed)


def _decision(place: Place, account: Account, dispute: Dispute, pair: Pair) -> None:
    st.subheader("Your decision")
    key = dispute.pair_id
    st.selectbox(
        "Category",
        [answers.RIGHT, *(name for name in place.pairs.categories if name != dispute.category)],
        format_func=lambda name: f"{dispute.category} (right)" if name == answers.RIGHT else name,
        key=f"category-{key}",
    )
    st.text_area("Comment", key=f"comment-{key}")
    if st.toggle("Change a caption", key=f"fixing-{key}"):
        for side in SIDES:
            if st.session_state.get(_uncovered("text", side, key)):
                st.text_area(f"{side} text", pair.caption(side), key=f"fix-{side}-{key}")
            else:
                st.text(f"Show the {side} text to change it.")
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
                args=(partial(_settle, place, account, pair, choice),),
            )


def _settle(place: Place, account: Account, pair: Pair, choice: Choice) -> None:
    state, key = st.session_state, pair.pair_id
    shown = (_uncovered(kind, side, key) for kind in ("text", "image") for side in SIDES)
    if not any(state.get(name) for name in shown):
        raise InputError("look at the pair first")
    said = Answers(
        category=state[f"category-{key}"],
        choice=choice,
        safe_caption=state.get(f"fix-safe-{key}"),
        unsafe_caption=state.get(f"fix-unsafe-{key}"),
        comment=state.get(f"comment-{key}"),
    )
    decided = answers.settled(said, safe=pair.safe_caption, unsafe=pair.unsafe_caption)
    with place.database.write() as connection:
        adjudication.check_unsettled(connection, key)
        adjudication.settle(connection, account.account_id, key, decided, time.time())


def _shown(given: Answers, name: str) -> str:
    value = getattr(given, name)
    return "" if value is None else str(value)
