"""For leads: how far the review is, how well people agree, and how they do on known answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import streamlit as st
from place import Place

from nsfwcaps.review.log import verdicts
from nsfwcaps.review.log.answers import Choice
from nsfwcaps.review.log.outcomes import PairState
from nsfwcaps.review.people import accounts
from nsfwcaps.review.people.accounts import Account
from nsfwcaps.review.proportions import Share
from nsfwcaps.review.queue import gold
from nsfwcaps.review.results import agreement, progress
from nsfwcaps.review.results.progress import Group, ReviewProgress


def draw(place: Place, account: Account) -> None:
    """Draw progress, agreement and known answers."""
    st.header("Progress")
    with place.database.read() as connection:
        head = verdicts.head_of(connection)
        names = {one.account_id: one.name for one in accounts.everyone(connection)}
    found = _progress(place.database.name, head, place)
    _whole(found.whole)
    _groups(found)
    _people(found, names)
    _control(found)
    _agreement(place, head)
    _gold(place, names, found.whole)


# By the head of the log: as long as nobody decides, nothing has to be counted anew.
@st.cache_data(max_entries=2, show_spinner="Counting")
def _progress(name: str, head: tuple[int, str], _place: Place) -> ReviewProgress:
    with _place.database.read() as connection:
        return progress.progress(connection)


@st.cache_data(max_entries=2, show_spinner="Measuring agreement")
def _agreements(name: str, head: tuple[int, str], _place: Place) -> list[agreement.Agreement]:
    with _place.database.read() as connection:
        return agreement.agree(connection)


def _whole(whole: Group) -> None:
    known = whole.states.get(PairState.KNOWN, 0)
    pairs = whole.pairs - known
    done = pairs - whole.states.get(PairState.PENDING, 0)
    # A known answer holds whether or not anybody has judged its pair.
    apart = f"; besides, known answers: {known:,}" if known else ""
    share = done / pairs if pairs else 0.0
    st.progress(share, f"{done:,} of {pairs:,} pairs have all their verdicts{apart}")


def _groups(found: ReviewProgress) -> None:
    shown = {"stage": found.by_stage, "category": found.by_category, "reason": found.by_reason}
    for tab, (name, groups) in zip(st.tabs([f"By {n}" for n in shown]), shown.items(), strict=True):
        tab.dataframe(
            {
                name: [group.name for group in groups],
                "pairs": [group.pairs for group in groups],
                **{
                    state.value: [group.states.get(state, 0) for group in groups]
                    for state in PairState
                },
            },
            hide_index=True,
            width="content",
        )


def _people(found: ReviewProgress, names: dict[str, str]) -> None:
    st.subheader("People")
    st.caption("Verdicts that hold. What somebody skipped or was exposed to is theirs alone.")
    st.dataframe(
        {
            "name": [names.get(person.account_id, person.account_id) for person in found.people],
            "pseudonym": [person.account_id for person in found.people],
            "verdicts": [person.verdicts for person in found.people],
            **{
                choice.value: [person.by_choice.get(choice, 0) for person in found.people]
                for choice in Choice
            },
        },
        hide_index=True,
        width="content",
    )


def _control(found: ReviewProgress) -> None:
    st.subheader("What to expect of the rest")
    st.caption(
        "From the share that was drawn at random; the other pairs come first because they are odd. "
        "While some are disputed, these are the easy ones."
    )
    st.dataframe(
        {
            "stage": [rates.name for rates in found.control],
            **{
                choice.value: [_share(rates.shares.get(choice)) for rates in found.control]
                for choice in Choice
            },
            "pending": [rates.pending for rates in found.control],
            "disputed": [rates.disputed for rates in found.control],
        },
        hide_index=True,
        width="content",
    )


def _agreement(place: Place, head: tuple[int, str]) -> None:
    st.subheader("Agreement")
    st.caption(
        "1 is full agreement, 0 what chance gives, with 95 % intervals over pairs. Where one "
        "answer is rare, kappa and alpha are low however much people agree: look at AC1. A dash: "
        "too little was judged to tell."
    )
    found = _agreements(place.database.name, head, place)
    found = sorted(found, key=lambda one: one.question != "choice")
    for tab, one in zip(st.tabs([_words(one.question) for one in found]), found, strict=True):
        tab.dataframe(
            {
                "coefficient": [_words(item.name.value) for item in one.coefficients],
                "value": [_number(item.value) for item in one.coefficients],
                "from": [_number(item.low) for item in one.coefficients],
                "to": [_number(item.high) for item in one.coefficients],
                "pairs": [item.items for item in one.coefficients],
                "verdicts": [item.ratings for item in one.coefficients],
            },
            hide_index=True,
            width="content",
        )


def _gold(place: Place, names: dict[str, str], whole: Group) -> None:
    with place.database.read() as connection:
        found = gold.accuracy(connection)
    st.subheader("Known answers")
    if not found and whole.states.get(PairState.KNOWN, 0):
        st.text("None was judged yet; they are in the queue.")
        return
    if not found:
        st.text("None was judged, as there is none; 'nsfwcaps review gold FILE' puts some there.")
        return
    rows: list[dict[str, Any]] = [
        {
            "name": names.get(one.account_id, one.account_id),
            "question": _words(one.question),
            "right": _share(one.right),
        }
        for one in found
    ]
    st.dataframe(_table(rows), hide_index=True, width="content")


def _share(share: Share | None) -> str:
    if share is None or not share.of:
        return "-"
    return f"{share.value:.0%} ({share.low:.0%} to {share.high:.0%}) of {share.of}"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _number(value: float) -> str:
    return "-" if math.isnan(value) else f"{value:.2f}"


def _table(rows: Sequence[dict[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in (rows[0] if rows else {})}
