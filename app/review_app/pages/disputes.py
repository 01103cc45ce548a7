"""For leads: pairs in dispute, settled by a lead who has not judged them, and what became of them.

No key settles anything here: whoever presses one twice would settle the dispute that comes next.
"""

from __future__ import annotations

import time
from functools import partial

import streamlit as st

from nsfwcaps.errors import InputError
from nsfwcaps.review.log import adjudication, dispute_drafts, reopening
from nsfwcaps.review.log.adjudication import Dispute
from nsfwcaps.review.log.answers import CHOICES, NAMES, RIGHT, Answers, Choice
from nsfwcaps.review.pairs import SIDES, Pair
from nsfwcaps.review.people.accounts import Account
from review_app.actions import act_as_lead
from review_app.context import ReviewContext
from review_app.pages import lead_pair, settled
from review_app.plain_text import plain, show_caption

_MOST = 200
_CLOSED = "dispute that was closed last"


def draw(context: ReviewContext, account: Account) -> None:
    """Draw the first dispute, what leads settled, and what they set aside."""
    st.header("Disputes")
    settled.last(context, account)
    open_, done, aside = st.tabs(["To settle", "Settled", "Set aside"])
    with open_:
        _first(context, account)
    with done:
        settled.listed(context, account)
    with aside:
        settled.set_aside(context, account)


def _first(context: ReviewContext, account: Account) -> None:
    found = context.read(adjudication.disputes, account.account_id, _MOST)
    if not found:
        st.text("No disputes for you. Another lead settles those on pairs you judged.")
        return
    st.caption(f"{len(found)}{'+' if len(found) == _MOST else ''} to settle")
    wanted = st.session_state.get(settled.WANTED)
    dispute = next((one for one in found if one.pair_id == wanted), found[0])
    if st.session_state.get(_CLOSED) == dispute.pair_id:
        del st.session_state[_CLOSED]  # it was opened again
    pair = context.pairs.pair(dispute.pair_id)
    draft = context.read(dispute_drafts.kept, account.account_id, dispute.pair_id)
    lead_pair.left(context, account)
    st.text(f"pair {dispute.pair_id}")
    lead_pair.show(context, account, pair, lead_pair.about(dispute.category, dispute.severity))
    _opinions(context, account, dispute)
    _decision(context, account, dispute, pair, draft)


def _opinions(context: ReviewContext, account: Account, dispute: Dispute) -> None:
    st.subheader("Opinions")
    said = [(opinion.letter, opinion.answers) for opinion in dispute.opinions]
    for opinion in dispute.opinions:
        if opinion.asks:
            why = f": {opinion.answers.comment}" if opinion.answers.comment else ""
            st.warning(plain(f"{opinion.letter} asks you{why}"))
    if dispute.known is not None:
        said.append(("known answer", dispute.known))
    st.dataframe(
        {
            "": [letter for letter, _ in said],
            **{
                name.replace("_", " "): [_shown(answers, name) for _, answers in said]
                for name in ("choice", *NAMES)
            },
        },
        hide_index=True,
    )
    for letter, answers in said:
        if answers.comment:
            st.text(f"{letter}: {answers.comment}", width="stretch")
        for side in SIDES:
            fixed = getattr(answers, f"{side}_caption")
            if fixed and lead_pair.uncovered_or_button(
                context, account, dispute.pair_id, f"{side} text", of=letter
            ):
                st.caption(f"The {side} text as edited by {letter}")
                show_caption(fixed)


def _decision(
    context: ReviewContext, account: Account, dispute: Dispute, pair: Pair, draft: Answers
) -> None:
    st.subheader("Your decision")
    key = dispute.pair_id
    others = [name for name in context.pairs.categories if name != dispute.category]
    options = [RIGHT, *others]
    keep = partial(_keep, context, account, key)
    st.selectbox(
        "Category",
        options,
        index=options.index(draft.category) if draft.category in options else 0,
        format_func=lambda name: (
            f"{plain(dispute.category)} (unchanged)" if name == RIGHT else plain(name)
        ),
        key=f"category-{key}",
        on_change=keep,
        args=("category", f"category-{key}"),
    )
    st.text_area(
        "Comment",
        draft.comment or "",
        key=f"comment-{key}",
        on_change=keep,
        args=("comment", f"comment-{key}"),
    )
    if st.toggle("Edit a caption", _edits(draft, pair), key=f"fixing-{key}"):
        for side in SIDES:
            _edit(keep, pair, side, draft)
    _buttons(context, account, dispute, pair)


def _edit(keep: partial[None], pair: Pair, side: str, draft: Answers) -> None:
    if not lead_pair.is_uncovered(pair.pair_id, f"{side} text"):
        st.text(f"Show the {side} text to edit it.")
        return
    key, name = f"fix-{side}-{pair.pair_id}", f"{side}_caption"
    st.text_area(
        f"{side} text",
        getattr(draft, name) or pair.caption(side),
        key=key,
        on_change=keep,
        args=(name, key),
    )


def _buttons(context: ReviewContext, account: Account, dispute: Dispute, pair: Pair) -> None:
    key = dispute.pair_id
    asked = st.session_state.get(_sure(key))
    if asked is not None:
        st.warning("You changed a caption. This decision throws the change away.")
    with st.container(horizontal=True):
        for option in CHOICES:
            choice = Choice(option.value)
            if choice is Choice.FIX and not st.session_state.get(f"fixing-{key}"):
                continue
            sure = asked == choice.value
            st.button(
                f"{option.label} and drop the change" if sure else option.label,
                key=f"settle-{choice}-{key}{'-sure' if sure else ''}",
                on_click=act_as_lead,
                args=(partial(_settle, context, account, dispute, pair, choice, sure),),
            )
        st.button(
            "Set aside",
            key=f"aside-{key}",
            type="tertiary",
            help="For later, for all leads. What you have typed is kept for you.",
            on_click=act_as_lead,
            args=(partial(_set_aside, context, account, dispute),),
        )


def _settle(
    context: ReviewContext,
    account: Account,
    dispute: Dispute,
    pair: Pair,
    choice: Choice,
    sure: bool,
) -> None:
    key = pair.pair_id
    if not lead_pair.has_seen(key):
        raise InputError("show a text or an image of the pair before you settle it")
    draft = _typed(context, account, pair)
    if choice is not Choice.FIX and _edits(draft, pair) and not sure:
        st.session_state[_sure(key)] = choice.value
        return
    st.session_state.pop(_sure(key), None)
    decided = Answers(
        category=st.session_state[f"category-{key}"],
        choice=choice,
        safe_caption=draft.safe_caption,
        unsafe_caption=draft.unsafe_caption,
        comment=draft.comment,
    )
    adjudication.settle_dispute(
        context.database, account.account_id, pair, decided, time.time(), seen=dispute.seen
    )
    st.session_state[_CLOSED] = key
    with context.database.write() as connection:
        dispute_drafts.drop(connection, account.account_id, key)


def _set_aside(context: ReviewContext, account: Account, dispute: Dispute) -> None:
    comment = st.session_state.get(f"comment-{dispute.pair_id}") or ""
    with context.database.write() as connection:
        reopening.set_aside(connection, account.account_id, dispute, time.time(), comment=comment)


def _typed(context: ReviewContext, account: Account, pair: Pair) -> Answers:
    """What the lead has typed: in fields that are drawn, or before they were put away."""
    fields = {"comment": "comment", "safe_caption": "fix-safe", "unsafe_caption": "fix-unsafe"}
    draft = context.read(dispute_drafts.kept, account.account_id, pair.pair_id).as_json()
    for name, field in fields.items():
        value = st.session_state.get(f"{field}-{pair.pair_id}")
        if value is not None:
            draft[name] = value
    return Answers(**{name: draft.get(name) for name in fields})


def _edits(draft: Answers, pair: Pair) -> bool:
    texts = [(getattr(draft, f"{side}_caption"), pair.caption(side)) for side in SIDES]
    return any(text and text.split() != was.split() for text, was in texts)


def _keep(context: ReviewContext, account: Account, pair_id: str, name: str, field: str) -> None:
    """Keep what was typed. A field that changes with the click that closes its pair is too late."""
    if st.session_state.get(_CLOSED) == pair_id:
        return
    value = st.session_state[field]
    st.session_state.pop(_sure(pair_id), None)

    def keep() -> None:
        with context.database.write() as connection:
            dispute_drafts.keep(connection, account.account_id, pair_id, {name: value})

    act_as_lead(keep)


def _sure(pair_id: str) -> str:
    """Key of the session state: the choice that would throw a changed caption away."""
    return f"sure-{pair_id}"


def _shown(given: Answers, name: str) -> str:
    value = getattr(given, name)
    return "" if value is None else str(value)
