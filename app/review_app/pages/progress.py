"""For leads: progress, agreement between people, and accuracy on known answers."""

from __future__ import annotations

import datetime
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from nsfwcaps.metrics.proportions import Share
from nsfwcaps.review.log import verdicts
from nsfwcaps.review.log.answers import Choice
from nsfwcaps.review.log.outcomes import PairState
from nsfwcaps.review.people import accounts
from nsfwcaps.review.people.accounts import Account
from nsfwcaps.review.queue import gold
from nsfwcaps.review.results import agreement, progress
from nsfwcaps.review.results.progress import Group, ReviewProgress
from review_app.context import ReviewContext

# Intervals of agreement in a large review take longer than counting it: they may then be older.
_QUICK_S, _KEPT_S = 0.3, 60.0


def draw(context: ReviewContext, account: Account) -> None:
    """Draw progress, agreement and known answers."""
    st.header("Progress")
    head = context.read(verdicts.head_of)
    names = {one.account_id: one.name for one in context.read(accounts.everyone)}
    found = _progress(context.database.name, head, context)
    _whole(found.whole)
    _groups(found)
    _people(found, names)
    _control(found)
    _agreement(context, head)
    _gold(context, names, found.whole)


# Cached by the head of the log: without a new verdict nothing is counted again.
@st.cache_data(max_entries=2, show_spinner="Counting")
def _progress(name: str, head: tuple[int, str], _context: ReviewContext) -> ReviewProgress:
    return _context.read(progress.progress)


@dataclass(frozen=True)
class _Measured:
    """Agreement as of a row of the log."""

    head: tuple[int, str]
    at: float
    seconds: float
    found: list[agreement.Agreement]


@st.cache_resource(show_spinner=False)
def _last_measured(name: str) -> dict[str, _Measured]:
    """What was measured last for a database, for everybody who looks."""
    return {}


def _measured(context: ReviewContext, head: tuple[int, str]) -> _Measured:
    """Return the agreement: of now where that is quick, else at most a minute old."""
    held = _last_measured(context.database.name)
    last = held.get("last")
    now = time.time()
    if last is not None and (
        last.head == head or (last.seconds > _QUICK_S and 0 <= now - last.at < _KEPT_S)
    ):
        return last
    with st.spinner("Measuring agreement"):
        found = context.read(agreement.agree)
    held["last"] = _Measured(head, now, time.time() - now, found)
    return held["last"]


def _whole(whole: Group) -> None:
    known = whole.states.get(PairState.KNOWN, 0)
    pairs = whole.pairs - known
    done = pairs - whole.states.get(PairState.PENDING, 0)
    # A known answer counts whether or not its pair was judged.
    apart = f"; known answers, counted separately: {known:,}" if known else ""
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
    st.caption("Current verdicts. What a person skipped or was exposed to is theirs alone.")
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
    st.subheader("Estimates for the rest")
    st.caption(
        "From the random control share only: the other pairs are queued by how doubtful they are. "
        "Disputed pairs count once they are settled; until then the estimate leans towards easy "
        "pairs."
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


def _agreement(context: ReviewContext, head: tuple[int, str]) -> None:
    st.subheader("Agreement")
    st.caption(
        "1 is full agreement, 0 is chance; intervals are 95 %, over pairs. Where one answer is "
        "rare, kappa and alpha are low however much people agree: look at AC1. A dash means too "
        "few verdicts."
    )
    measured = _measured(context, head)
    if measured.head != head:
        at = datetime.datetime.fromtimestamp(measured.at, datetime.UTC)
        st.text(f"Measured at {at:%H:%M:%S} UTC, up to row {measured.head[0]:,} of {head[0]:,}.")
        held = _last_measured(context.database.name)
        st.button("Measure now", key="measure", on_click=held.clear)
    found = sorted(measured.found, key=lambda one: one.question != "choice")
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


def _gold(context: ReviewContext, names: dict[str, str], whole: Group) -> None:
    found = context.read(gold.accuracy)
    st.subheader("Known answers")
    if not found and whole.states.get(PairState.KNOWN, 0):
        st.text("No known answer has been judged yet; they are in the queue.")
        return
    if not found:
        st.text("No known answers yet; add some with 'nsfwcaps review gold FILE'.")
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
