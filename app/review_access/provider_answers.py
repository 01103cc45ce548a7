"""What becomes of Streamlit's own addresses for signing in at an OIDC provider.

Streamlit answers an error there with a bare page, or with the form and no word. And what anybody
writes into such an address reaches its log, line feeds and control characters of a terminal too.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from urllib.parse import parse_qs

from starlette.datastructures import MutableHeaders
from starlette.types import Message, Scope, Send

LOGIN, CALLBACK = "auth/login", "oauth2callback"
ADDRESSES = ("auth/", CALLBACK)

OUTCOME = "provider"
"""Parameter of the page's address that says what went wrong."""
UNREACHABLE, FAILED = "unreachable", "failed"
_COOKIE = b"_streamlit_user="
_LOGGER = "streamlit.web.server.starlette.starlette_auth_routes"


def explaining(scope: Scope, path: str, base: str, send: Send) -> Send:
    """Return what sends Streamlit's answer: that of a failure leads to the form and its reason."""

    async def answer(message: Message) -> None:
        if message["type"] == "http.response.start":
            outcome = _outcome(scope, path, message)
            if outcome is not None:
                headers = MutableHeaders(raw=list(message["headers"]))
                headers["Location"] = f"{base}/?{OUTCOME}={outcome}"
                message = {**message, "status": 302, "headers": headers.raw}
        await send(message)

    return answer


def _outcome(scope: Scope, path: str, message: Message) -> str | None:
    if path == LOGIN and message["status"] >= 400:
        return UNREACHABLE
    # Signing out at the provider leads there as well, with neither of both.
    said = {"code", "error"} & set(parse_qs(scope["query_string"].decode("latin-1"), True))
    return FAILED if path == CALLBACK and said and not any(_signing_in(message)) else None


def _signing_in(message: Message) -> Iterator[bool]:
    for name, value in message["headers"]:
        if name.lower() == b"set-cookie":
            yield value.startswith(_COOKIE) and b"max-age=0;" not in value.lower()


class _OneLine(logging.Filter):
    """Keeps one line of an error on the way to a provider, and nothing that a request said."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite a record; drop one without an error."""
        args = record.args if isinstance(record.args, tuple) else ()
        errors = [record.exc_info[1]] if record.exc_info else list(args)
        kinds = [type(error).__name__ for error in errors if isinstance(error, Exception)]
        record.msg = "signing in or out at the OIDC provider failed: %s"
        record.args, record.exc_info, record.exc_text = tuple(kinds[:1]), None, None
        return bool(kinds)


def quieten() -> None:
    """Let Streamlit log errors at these addresses in one line."""
    logging.getLogger(_LOGGER).addFilter(_OneLine())
