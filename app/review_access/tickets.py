"""Tickets by which the page gives a new login to the browser, as only an HTTP answer sets cookies.

The page that checked the password shows a ticket to the browser; the browser brings it to the
server's own address, and the answer sets the cookie. A ticket is good once, for a minute.
"""

from __future__ import annotations

import hashlib
import secrets
import threading

GOOD_S = 60

_lock = threading.Lock()
_tokens: dict[str, tuple[str, float]] = {}  # by hash of the ticket: token, end in Unix seconds


def issue(token: str, now: float) -> str:
    """Return a ticket for a token."""
    ticket = secrets.token_urlsafe(32)
    with _lock:
        for key in [key for key, (_, end) in _tokens.items() if end <= now]:
            del _tokens[key]
        _tokens[_key(ticket)] = (token, now + GOOD_S)
    return ticket


def redeem(ticket: str, now: float) -> str | None:
    """Return the token of a ticket, or None if it was used, is over or unknown."""
    with _lock:
        token, end = _tokens.pop(_key(ticket), ("", 0.0))
    return token if now < end else None


def _key(ticket: str) -> str:
    return hashlib.sha256(ticket.encode("utf-8", "surrogatepass")).hexdigest()
