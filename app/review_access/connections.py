"""Streamlit's connections: whose they are, and that nothing passes after the login.

Streamlit opens a session again for whoever brings its id. Here a handshake must also bring the
cookie of the login that the session belongs to: the login is put into a header that Streamlit
compares (`server.trustedUserHeaders`), and without a login the id is removed.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib

from google.protobuf.message import DecodeError
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ClientState_pb2 import ClientState

from review_access.live import LiveLogins

TOKEN_HEADER = "X-Nsfwcaps-Token"
"""Header in which the page finds the token of the handshake's cookie."""
LOGIN_HEADER = "X-Nsfwcaps-Login"
"""Header with which Streamlit compares whose session it is."""

CHECK_S = 2.0
"""How long a page without messages shows what it showed after its login ended, in seconds."""
# Anybody can connect. Without this, anybody could empty the cache of the server, or get addresses
# for uploads.
_NOBODYS = ("rerun_script", "stop_script", "app_heartbeat")
_NOBODYS_BYTES = 65_536
_MEMBERS = (*_NOBODYS, "backend_operation_request")
_PROTOCOLS = b"sec-websocket-protocol"


async def serve(
    app: ASGIApp, live: LiveLogins, token: str | None, scope: Scope, receive: Receive, send: Send
) -> None:
    """Serve a connection for as long as its login lasts; without one, for the form to sign in."""
    signed_in = await live.is_signed_in(token, unknown=False)
    scope = {**scope, "headers": _headers(scope, token, signed_in)}
    await app(scope, _Connection(live, token if signed_in else None, receive).receive, send)


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
    """Messages of one browser.

    When its login ends, the page is drawn again without it: that is the form to sign in. A message
    that comes then is dropped for it, and those after it are of nobody.
    """

    def __init__(self, live: LiveLogins, token: str | None, receive: Receive) -> None:
        self._live, self._token, self._receive = live, token, receive
        self._page = BackMsg(rerun_script=ClientState())
        self._waiting: asyncio.Future[Message] | None = None

    async def receive(self) -> Message:
        """Return the next message that passes, or the one that ends the login."""
        while (message := await self._next()) is not None:
            if message["type"] != "websocket.receive":
                return message
            data, said = message.get("bytes") or b"", BackMsg()
            with contextlib.suppress(DecodeError):  # it then has no type, and does not pass
                said.ParseFromString(data)
            self._note(said)
            if await self._ends():
                break
            if self._passes(said, len(data)):
                return message
        return self._redrawn()

    async def _next(self) -> Message | None:
        """Return the next message; None if the login ends before it comes."""
        waiting = self._waiting = self._waiting or asyncio.ensure_future(self._receive())
        while not (await asyncio.wait({waiting}, timeout=CHECK_S))[0]:
            if await self._ends():
                return None
        self._waiting = None
        return waiting.result()

    async def _ends(self) -> bool:
        """Whether the login ends now: true once."""
        # An error of the database ends nothing: the page asks again, and says what is wrong.
        if self._token is None or await self._live.is_signed_in(self._token, unknown=True):
            return False
        self._token = None
        return True

    def _passes(self, said: BackMsg, size: int) -> bool:
        kind = said.WhichOneof("type")
        if self._token is None:
            return kind in _NOBODYS and size <= _NOBODYS_BYTES
        return kind in _MEMBERS

    def _note(self, said: BackMsg) -> None:
        """Remember which page is open."""
        if said.WhichOneof("type") == "rerun_script":
            self._page.CopyFrom(said)
            for field in ("widget_states", "fragment_id", "is_auto_rerun"):
                self._page.rerun_script.ClearField(field)

    def _redrawn(self) -> Message:
        return {"type": "websocket.receive", "bytes": self._page.SerializeToString()}
