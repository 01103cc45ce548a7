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
    again: bool
    """Whether some actions may have been sent to another session, which could not answer."""


def hear(desk: Desk, heard: Heard, message: Any) -> None:
    """Apply the actions of a message that were not applied before, up to the first refused."""
    box = _read(message)
    if box is None:
        return
    if box.client != heard.client:
        heard.client, heard.epoch, heard.refused = box.client, box.epoch, None
        heard.applied = _applied_before(desk, box) if box.again else 0
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
            heard.refused = {"epoch": heard.epoch, "n": action["n"], "message": str(error)}
            return
        if action["do"] in (*_CLOSING, "undo", "leave_out"):
            token = None
        heard.applied = action["n"]


def _open(desk: Desk, action: Mapping[str, Any], token: str | None) -> str | None:
    """Open the pair that comes next, where an action may be about it; return its token."""
    if token is not None or action["do"] in ("undo", "leave_out"):
        return token
    state = desk.state()
    if not isinstance(state, ReviewTask):
        raise ReviewError("no pair is open now; what was pressed after the last one was not saved")
    return state.token


def _applied_before(desk: Desk, box: Outbox) -> int:
    """Return the last action that an earlier server applied, and could not say so any more."""
    undoable = desk.state().undoable
    closing = [
        action["n"]
        for action in box.actions
        if undoable is not None
        and action["token"] == undoable.token
        and _CLOSING.get(action["do"]) == undoable.kind
    ]
    return max(closing, default=0)


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
            desk.stop(token)
        case {"do": "undo"}:
            desk.undo(token)
        case {"do": "leave_out", "category": str(category)}:
            desk.leave_out(category)
        case {"do": "broken", "what": str(what)}:
            desk.mark_broken(token, what)
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
    """Parse a message; None if it is not one."""
    match message:
        case {"client": str(client), "epoch": int(epoch), "actions": list(sent), "have": list(had)}:
            have = frozenset(name for name in had if isinstance(name, str))
            actions = [action for action in sent if _is_action(action)]
        case _:
            return None
    if len(actions) < len(sent):
        return None
    again = message.get("again") is True
    return Outbox(client=client, epoch=epoch, actions=actions, have=have, again=again)


def _is_action(value: Any) -> bool:
    match value:
        case {"n": int(), "do": str(), "token": str()}:
            return True
        case _:
            return False
