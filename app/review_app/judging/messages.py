"""What the browser sends: its actions in order, until the server has acknowledged them.

Every action names the reservation that it is about, so one that comes twice or too late changes
nothing. After one is refused, those behind it are refused too, until the browser has heard so: they
were made on a page that did not know.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nsfwcaps.errors import InputError, NsfwcapsError, ReviewError
from nsfwcaps.review.log.answers import NAMES, Choice
from nsfwcaps.review.queue.desk import Desk
from nsfwcaps.review.queue.states import ReviewTask

_ANSWERS = (*NAMES, "choice", "ask_lead")
_FIELDS = ("comment", "safe_caption", "unsafe_caption")
_CLOSING = {"decide": "verdict", "skip": "skip", "stop": "stop"}


@dataclass
class Heard:
    """What was heard of one browser tab, in one session of Streamlit."""

    session: str = field(default_factory=lambda: secrets.token_hex(8))
    client: str = ""
    epoch: int = 0
    """Number of refusals that the browser knows of."""
    applied: int = 0
    refused: dict[str, Any] | None = None
    have: frozenset[str] = frozenset()
    """Images that the browser has."""


@dataclass(frozen=True, kw_only=True)
class Outbox:
    """A message of the browser."""

    client: str
    epoch: int
    actions: list[dict[str, Any]]
    have: frozenset[str]


def hear(desk: Desk, heard: Heard, message: Any) -> None:
    """Apply the actions of a message that were not applied before, up to the first refused."""
    box = _read(message)
    if box is None:
        return
    is_new = box.client != heard.client
    if is_new:
        heard.client, heard.epoch, heard.applied, heard.refused = box.client, box.epoch, 0, None
    if box.epoch > heard.epoch:
        heard.epoch, heard.refused = box.epoch, None
    heard.have = box.have
    token = None
    for action in box.actions:
        if action["n"] <= heard.applied or box.epoch < heard.epoch or heard.refused:
            continue
        try:
            token = _open(desk, action, token)
            _perform(desk, action)
        except NsfwcapsError as error:
            if not (is_new and _was_applied(desk, box, action["token"])):
                heard.refused = {"epoch": heard.epoch, "n": action["n"], "message": str(error)}
                return
        if action["do"] in (*_CLOSING, "undo", "leave_out"):
            token = None
        heard.applied = action["n"]


def _open(desk: Desk, action: Mapping[str, Any], token: str | None) -> str | None:
    """Open the pair that comes next, where an action may be about it; return its token."""
    if token is not None or action["do"] == "undo":
        return token
    state = desk.state()
    found = state.token if isinstance(state, ReviewTask) else None
    if found is None:
        raise ReviewError("there is no open pair now; what was pressed for it was not saved")
    return found


def _was_applied(desk: Desk, box: Outbox, token: str) -> bool:
    """Whether an earlier server applied an action, and could not say so any more."""
    undoable = getattr(desk.state(), "undoable", None)
    return undoable is not None and any(
        action["token"] == token == undoable.token and _CLOSING.get(action["do"]) == undoable.kind
        for action in box.actions
    )


def _perform(desk: Desk, action: Mapping[str, Any]) -> None:
    token = action["token"]
    match action:
        case {"do": "uncover", "what": str(what)}:
            desk.uncover(token, what)
        case {"do": "answer", "values": dict(values)}:
            desk.answer(token, **_known(values, _ANSWERS))
        case {"do": "draft", "values": dict(values)}:
            desk.answer(token, **_known(values, _FIELDS))
        case {"do": "decide", "choice": str(choice), "values": dict(values)}:
            given = _known(values, (*NAMES, "ask_lead", *_FIELDS))
            desk.decide(token, _choice(choice), **given)
        case {"do": "skip"}:
            desk.skip(token)
        case {"do": "stop"}:
            desk.stop()
        case {"do": "undo"}:
            desk.undo()
        case _:
            raise InputError("the page sent something that this server does not know; reload it")


def _known(values: Mapping[Any, Any], names: tuple[str, ...]) -> dict[str, Any]:
    """Return the values.

    Raises:
        InputError: one has another name, or none of the types that answers have.
    """
    for name, value in values.items():
        if name not in names or not (value is None or isinstance(value, str | int)):
            raise InputError("the page sent something that this server does not know; reload it")
    return dict(values)


def _choice(value: str) -> Choice:
    try:
        return Choice(value)
    except ValueError:
        raise InputError(f"choice must be {', '.join(Choice)}") from None


def _read(message: Any) -> Outbox | None:
    """Parse a message; None if it is none."""
    match message:
        case {
            "client": str(client),
            "epoch": int(epoch),
            "actions": list(sent),
            "have": list(have),
        }:
            pass
        case _:
            return None
    actions = []
    for action in sent:
        match action:
            case {"n": int(), "do": str(), "token": str()}:
                actions.append(action)
            case _:
                return None
    return Outbox(client=client, epoch=epoch, actions=actions, have=have)
