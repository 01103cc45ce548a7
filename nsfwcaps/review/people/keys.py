"""The keys of the judging page: what each one does, and what a person has changed.

A key is a Latin letter, `Shift+` and a letter, or a digit. Two commands never share a key if both
can be on the screen at once, nor if they answer questions of which one can follow the other: a key
that is pressed twice would answer the second question unread.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import combinations

import sqlalchemy as sa

from nsfwcaps.errors import InputError
from nsfwcaps.review import tables

CATEGORY_KEYS = tuple("67890EIOP")
"""Keys that the review gives to its categories, in the order in which they come up."""
RESERVED = ("C", "R")
"""Keys that Streamlit itself acts on."""

ALWAYS = ""
"""Place of commands that can be used at every question."""
_KEY = re.compile(r"(Shift\+)?[A-Z]|[0-9]")
_PREFERENCE, _OFF = "keys", "off"


@dataclass(frozen=True, kw_only=True)
class Command:
    """What a key does."""

    name: str
    label: str
    default: str
    place: str = ALWAYS
    """Question that it answers."""


def _answers(place: str, label: str, keys: Mapping[str, str]) -> list[Command]:
    return [
        Command(name=f"{place} {value}", label=f"{label}: {value}", default=key, place=place)
        for value, key in keys.items()
    ]


COMMANDS = (
    Command(name="safe text", label="Show the safe text", default="S"),
    Command(name="unsafe text", label="Show the unsafe text", default="D"),
    Command(name="safe image", label="Show the safe image", default="Shift+S"),
    Command(name="unsafe image", label="Show the unsafe image", default="Shift+D"),
    *_answers("safe_is_safe", "The safe side is safe", {"yes": "Y", "no": "N", "unsure": "U"}),
    *_answers(
        "unsafe_is_unsafe", "The unsafe side is unsafe", {"yes": "H", "no": "L", "unsure": "W"}
    ),
    *_answers("category", "The category is", {"right": "T"}),
    # Which category each one is, the review decides once and for all.
    *_answers("category", "Category of the key", {key: key for key in CATEGORY_KEYS}),
    *_answers("meaning", "Meaning kept, 1 to 5", {key: key for key in "12345"}),
    *_answers("choice", "The pair", {"accept": "A", "fix": "F", "reject": "X"}),
    Command(name="back", label="Back to the question before", default="B"),
    Command(name="skip", label="Skip the pair", default="K"),
    Command(name="undo", label="Undo", default="Z"),
    Command(name="comment", label="Comment", default="M"),
    Command(name="stop", label="Stop for now", default="Q"),
    Command(name="guidelines", label="Guidelines", default="G"),
    Command(name="differences", label="Mark the differences", default="V"),
    Command(name="ask_lead", label="Ask the lead", default="J"),
)
DEFAULTS: Mapping[str, str] = {command.name: command.default for command in COMMANDS}
LABELS: Mapping[str, str] = {command.name: command.label for command in COMMANDS}

# Questions that can follow each other, in either direction: `back` goes the other way. A failed
# side leads straight to the choice, and the choice to the first question of the next pair.
_NEIGHBOURS = frozenset(
    frozenset(pair)
    for pair in (
        ("safe_is_safe", "unsafe_is_unsafe"),
        ("safe_is_safe", "choice"),
        ("unsafe_is_unsafe", "category"),
        ("unsafe_is_unsafe", "choice"),
        ("category", "meaning"),
        ("meaning", "choice"),
    )
)


@dataclass(frozen=True, kw_only=True)
class Keys:
    """The keys of one person."""

    off: bool = False
    """Whether one-letter keys do nothing."""
    of_command: Mapping[str, str] = field(default_factory=lambda: DEFAULTS)
    """Key of every command."""


def cleaned(key: str) -> str:
    """Return a key as it is written here: `shift + s` becomes `Shift+S`.

    Raises:
        InputError: it is not a key that a command can have.
    """
    parts = "".join(key.split())
    shift, letter = (parts[:6], parts[6:]) if parts[:6].lower() == "shift+" else ("", parts)
    found = f"{'Shift+' if shift else ''}{letter.upper()}"
    if not _KEY.fullmatch(found):
        raise InputError(f"'{key[:20]}' is not a key; give A to Z, Shift+A to Shift+Z, or 0 to 9")
    if found in RESERVED:
        raise InputError(f"the page itself uses the keys {' and '.join(RESERVED)}; choose another")
    return found


def changed(keys: Mapping[str, str]) -> dict[str, str]:
    """Return the key of every command, where some were changed.

    Raises:
        InputError: a command is unknown, a key is not one, or two commands would be confused.
    """
    if unknown := sorted(set(keys) - set(DEFAULTS)):
        raise InputError(f"unknown command '{unknown[0]}'; known: {', '.join(DEFAULTS)}")
    found = {**DEFAULTS, **{name: cleaned(key) for name, key in keys.items()}}
    if clash := next(clashes(found), None):
        one, other = clash
        raise InputError(
            f"the key {found[one]} would be both '{LABELS[one]}' and '{LABELS[other]}'; "
            "give one of them another key"
        )
    return found


def clashes(of_command: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield pairs of commands that have one key and could be confused."""
    for one, other in _rivals():
        if of_command[one] == of_command[other]:
            yield one, other


@functools.cache
def _rivals() -> tuple[tuple[str, str], ...]:
    return tuple(
        (one.name, other.name)
        for one, other in combinations(COMMANDS, 2)
        if ALWAYS in (one.place, other.place)
        or one.place == other.place
        or frozenset((one.place, other.place)) in _NEIGHBOURS
    )


def of(connection: sa.Connection, account_id: str) -> Keys:
    """Return a person's keys. Changes that no longer fit the commands count as not made."""
    table = tables.preference
    stored = connection.execute(sa.select(table.c.value).where(*_mine(account_id))).scalar()
    found = json.loads(stored) if stored else {}
    off = bool(found.pop(_OFF, False))
    try:
        return Keys(off=off, of_command=changed(found))
    except InputError:  # written when there were other commands
        return Keys(off=off)


def save(connection: sa.Connection, account_id: str, keys: Mapping[str, str], off: bool) -> None:
    """Keep a person's keys, in a write transaction; what is not given has its default.

    Raises:
        InputError: as `changed`.
    """
    found = {name: key for name, key in changed(keys).items() if key != DEFAULTS[name]}
    connection.execute(sa.delete(tables.preference).where(*_mine(account_id)))
    if found or off:
        value = json.dumps({**found, **({_OFF: True} if off else {})})
        connection.execute(
            sa.insert(tables.preference).values(account_id=account_id, key=_PREFERENCE, value=value)
        )


def _mine(account_id: str) -> tuple[sa.ColumnElement[bool], ...]:
    table = tables.preference
    return table.c.account_id == account_id, table.c.key == _PREFERENCE
