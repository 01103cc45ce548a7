"""The keys of the judging page: switching one-letter keys off, and changing each."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import streamlit as st

from nsfwcaps.review.people import keys
from nsfwcaps.review.people.accounts import Account
from nsfwcaps.review.people.keys import COMMANDS, DEFAULTS, Command
from review_app.actions import act, report
from review_app.context import ReviewContext
from review_app.judging import categories
from review_app.plain_text import plain

_TITLES = {
    keys.ALWAYS: "At every question",
    "safe_is_safe": "Is the safe side safe?",
    "unsafe_is_unsafe": "Is the unsafe side unsafe?",
    "category": "Is its category right?",
    "meaning": "How much of the meaning does the safe side keep?",
    "choice": "What should happen to the pair?",
}
_COLUMNS = 4


def draw(context: ReviewContext, account: Account) -> None:
    """Draw a field for each command."""
    st.header("My keys")
    st.write(
        "A key is a letter from A to Z, Shift+ and such a letter, or a digit. Commands that can be "
        "on the screen at the same time, or one question after the other, cannot share a key. "
        "Every command is a button too; Tab, Enter and Space always work."
    )
    mine = context.read(keys.of, account.account_id)
    names = {command: name for name, command in context.read(categories.of).items()}
    with st.form("keys"):
        st.checkbox("Switch one-letter keys off", value=mine.off, key="keys-off")
        for place, commands in itertools.groupby(_in_order(), key=lambda one: one.place):
            st.subheader(_TITLES[place])
            _fields(list(commands), mine.of_command, names)
        st.form_submit_button(
            "Save",
            type="primary",
            on_click=act,
            args=(lambda: _save(context, account),),
            key="save-keys",
        )
    st.button(
        "Restore the defaults",
        on_click=act,
        args=(lambda: _restore(context, account),),
        key="default-keys",
    )


def _in_order() -> list[Command]:
    return sorted(COMMANDS, key=lambda command: list(_TITLES).index(command.place))


def _fields(commands: list[Command], now: Mapping[str, str], names: dict[str, str]) -> None:
    for start in range(0, len(commands), _COLUMNS):
        row = commands[start : start + _COLUMNS]
        for column, command in zip(st.columns(_COLUMNS), row, strict=False):
            category = names.get(command.name)
            label = f"Category: {plain(category)}" if category else command.label
            column.text_input(label, now[command.name], key=_key(command.name), max_chars=10)


def _key(command: str) -> str:
    return f"key {command}"


def _save(context: ReviewContext, account: Account) -> None:
    given = {name: st.session_state[_key(name)] for name in DEFAULTS}
    _keep(context, account, given, st.session_state["keys-off"])
    report("your keys are saved")


def _restore(context: ReviewContext, account: Account) -> None:
    _keep(context, account, {}, off=False)
    report("the keys are those of the beginning again, and on")


def _keep(context: ReviewContext, account: Account, given: dict[str, str], off: bool) -> None:
    with context.database.write() as connection:
        keys.save(connection, account.account_id, given, off)
        kept = keys.of(connection, account.account_id)
    for name, key in kept.of_command.items():
        st.session_state[_key(name)] = key
    st.session_state["keys-off"] = kept.off
