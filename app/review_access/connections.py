"""Streamlit's connections: whose they are, and that they end with the login.

Streamlit opens a session again for whoever brings its id. Here a handshake must also bring the
cookie of the login that the session belongs to: the login is put into a header that Streamlit
compares (`server.trustedUserHeaders`), and without a login the id is removed.
"""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from review_access.live import LiveLogins

TOKEN_HEADER = "X-Nsfwcaps-Token"
"""Header in which the page finds the token of the handshake's cookie."""
LOGIN_HEADER = "X-Nsfwcaps-Login"
"""Header with which Streamlit compares whose session it is."""

CHECK_S = 5.0
"""A connection without messages outlives its login by this many seconds at most."""
_POLICY = 1008  # close code: policy violation
_PROTOCOLS = b"sec-websocket-protocol"


async def serve(
    app: ASGIApp, live: LiveLogins, token: str | None, scope: Scope, receive: Receive, send: Send
) -> None:
    """Serve a connection for as long as its login lasts; without one, for the form to sign in."""
    signed_in = await live.is_signed_in(token, unknown=False)
    scope = {**scope, "headers": _headers(scope, token, signed_in)}
    if token is None or not signed_in:
        await app(scope, receive, send)
        return
    connection = _Connection(live, token, receive, send)
    await app(scope, connection.receive, connection.send)


def _headers(scope: Scope, token: str | None, signed_in: bool) -> list[tuple[bytes, bytes]]:
    ours = {TOKEN_HEADER.lower().encode(), LOGIN_HEADER.lower().encode()}
    headers = [(name, value) for name, value in scope["headers"] if name not in ours]
    if token is not None:
        headers.append((TOKEN_HEADER.lower().encode(), token.encode()))
    if token is not None and signed_in:
        login = hashlib.sha256(f"session {token}".encode()).hexdigest()
        return [*headers, (LOGIN_HEADER.lower().encode(), login.encode())]
    return [(name, _without_id(value) if name == _PROTOCOLS else value) for name, value in headers]


def _without_id(protocols: bytes) -> bytes:
    """Leave the protocol and the token against forged requests; Streamlit puts an id third."""
    return b",".join(protocols.split(b",")[:2])


class _Connection:
    """A connection of somebody who is signed in."""

    def __init__(self, live: LiveLogins, token: str, receive: Receive, send: Send) -> None:
        self._live, self._token = live, token
        self._receive, self._send = receive, send
        self._ended = False

    async def receive(self) -> Message:
        waiting = asyncio.ensure_future(self._receive())
        try:
            while not (await asyncio.wait({waiting}, timeout=CHECK_S))[0]:
                if not await self._lasts():
                    return await self._end()
        finally:
            waiting.cancel()
        message = waiting.result()
        if message["type"] == "websocket.receive" and not await self._lasts():
            return await self._end()
        return message

    async def send(self, message: Any) -> None:
        if not self._ended:
            await self._send(message)

    async def _lasts(self) -> bool:
        # An error of the database ends nothing: the page asks again, and says what is wrong.
        return await self._live.is_signed_in(self._token, unknown=True)

    async def _end(self) -> Message:
        await self._send({"type": "websocket.close", "code": _POLICY})
        self._ended = True
        return {"type": "websocket.disconnect", "code": _POLICY}
