"""What a browser says to the server, said without one: requests, and Streamlit's connection."""

from __future__ import annotations

import contextlib
import http.client
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import pyarrow as pa  # noqa: F401 - before protobuf
from served import LONGEST_S, Server
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from nsfwcaps.review.database import Database
from nsfwcaps.review.people import accounts, logins
from nsfwcaps.review.people.accounts import Role

PASSWORD = "a long password"


@dataclass
class Answer:
    """Answer to a request."""

    status: int
    headers: dict[str, str]
    cookies: list[str]
    body: bytes


def ask(
    server: Server,
    path: str,
    method: str = "GET",
    body: str | None = None,
    headers: dict[str, str] | None = None,
    place: str = "127.0.0.1",
) -> Answer:
    """Send one request, from an address of this machine."""
    connection = http.client.HTTPConnection(
        "127.0.0.1", server.port, timeout=LONGEST_S, source_address=(place, 0)
    )
    with contextlib.closing(connection):
        connection.request(method, path, body, headers or {})
        reply = connection.getresponse()
        found = {name.lower(): value for name, value in reply.getheaders()}
        cookies = reply.headers.get_all("Set-Cookie") or []
        return Answer(reply.status, found, cookies, reply.read())


def cookie(server: Server, token: str) -> str:
    """The cookie of a login, as a browser sends it."""
    with contextlib.closing(Database(server.database)) as database:
        return f"nsfwcaps_review_{logins.review_id(database)}={token}"


def signed_in(server: Server, name: str, role: Role = Role.ANNOTATOR) -> str:
    """Token of a new login; the account is made where it is missing."""
    with contextlib.closing(Database(server.database)) as database:
        with database.read() as connection:
            known = [one.name for one in accounts.everyone(connection)]
        if name not in known:
            hashed = accounts.hash_password(name, PASSWORD)
            with database.write() as connection:
                accounts.create(connection, name, hashed, role, time.time())
        return logins.sign_in(database, name, PASSWORD, time.time())


@dataclass
class Socket:
    """A connection that has asked for the page, and what came back."""

    connection: ClientConnection
    session_id: str = ""
    texts: list[str] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    """Of all messages so far."""
    elements: list[str] = field(default_factory=list)
    """Kinds of the elements of the page so far."""

    def draw(self) -> Socket:
        """Ask for the page, and read until it is drawn."""
        message = BackMsg()
        message.rerun_script.query_string = ""
        self.connection.send(message.SerializeToString())
        return self.drawn()

    def drawn(self) -> Socket:
        """Read until the page is drawn."""
        while True:
            got = ForwardMsg()
            got.ParseFromString(bytes(self.connection.recv(LONGEST_S, decode=False)))
            self.kinds.append(str(got.WhichOneof("type")))
            match got.WhichOneof("type"):
                case "new_session":
                    self.session_id = got.new_session.initialize.session_id
                    self.texts.clear()
                case "delta":
                    element = got.delta.new_element
                    self.elements.append(str(element.WhichOneof("type")))
                    if element.WhichOneof("type") in ("text", "heading", "alert"):
                        self.texts.append(getattr(element, element.WhichOneof("type")).body)
                case "script_finished":
                    return self

    @property
    def end(self) -> int:
        """Code with which the server closes the connection; reads until then."""
        deadline = time.monotonic() + LONGEST_S
        while time.monotonic() < deadline:
            try:
                self.connection.recv(LONGEST_S)
            except ConnectionClosed as closed:
                return closed.rcvd.code if closed.rcvd else 0
        raise AssertionError("the connection stays open")


@contextlib.contextmanager
def opened(
    server: Server, cookies: str = "", session_id: str = "", **headers: str
) -> Iterator[Socket]:
    """Connect as Streamlit's page does: with a session id to open a session again."""
    offered = ["streamlit", "PLACEHOLDER", *([session_id] if session_id else [])]
    sent = {**({"Cookie": cookies} if cookies else {}), **headers}
    with connect(
        f"ws://127.0.0.1:{server.port}/_stcore/stream",
        subprotocols=[Subprotocol(one) for one in offered],
        additional_headers=sent,
        max_size=None,
        open_timeout=LONGEST_S,
    ) as connection:
        yield Socket(connection)
