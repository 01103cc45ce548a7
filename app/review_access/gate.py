"""Which requests reach Streamlit, and the headers of every answer.

Streamlit takes uploads, counts sessions, and describes an interface for programs to anybody. The
review needs none of that.
"""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from pathlib import Path
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from review_access import connections, provider_answers
from review_access.cookie import MEDIA, OWN, SOCKET, LoginCookie, is_encrypted
from review_access.live import LiveLogins

_OPEN = ("_stcore/health", "_stcore/host-config")
_CLOSED = ("_stcore/", "component/", "app/static/")
_INLINE = re.compile(r"<script>(.*?)</script>", re.DOTALL)
_FOREVER = "; ".join(
    (
        "default-src 'none'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "font-src 'self' data:",
        "media-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "worker-src 'self' blob:",
        "frame-ancestors 'none'",
        "base-uri 'self'",
        "form-action 'self'",
    )
)


class Gate:
    """Middleware around Streamlit."""

    def __init__(
        self, app: ASGIApp, cookie: LoginCookie, live: LiveLogins, *, has_provider: bool
    ) -> None:
        self._app, self._cookie, self._live = app, cookie, live
        self._closed = _CLOSED if has_provider else (*_CLOSED, *provider_answers.ADDRESSES)
        self._headers = _headers()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let the request through."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        path = scope["path"].removeprefix(f"{self._cookie.base}/")
        is_foreign = _is_foreign(Headers(scope=scope))
        if scope["type"] == "websocket":
            if is_foreign or path != SOCKET:
                await send({"type": "websocket.close", "code": 1008})
                return
            token = self._cookie.token(scope)
            await connections.serve(self._app, self._live, token, scope, receive, send)
            return
        answering = self._answering(scope, path, send)
        status = 403 if is_foreign else await self._refusal(scope, path)
        if status:
            refused = PlainTextResponse("", status)
            await refused(scope, receive, answering)
            return
        base = self._cookie.base
        await self._app(scope, receive, provider_answers.explaining(scope, path, base, answering))

    async def _refusal(self, scope: Scope, path: str) -> int:
        """Status with which a request is refused; 0 lets it through."""
        if path.startswith(OWN):
            return 0  # the routes refuse what is wrong themselves
        if scope["method"] not in ("GET", "HEAD"):
            return 405
        if path.startswith(MEDIA):
            token = self._cookie.token(scope)
            return 0 if await self._live.is_signed_in(token, unknown=False) else 403
        return 404 if path not in _OPEN and path.startswith(self._closed) else 0

    def _answering(self, scope: Scope, path: str, send: Send) -> Send:
        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=list(message.get("headers", [])))
                for name, value in self._headers.items():
                    headers[name] = value
                if path.startswith((MEDIA, OWN)):
                    headers["Cache-Control"] = "no-store"  # captions and pictures
                raw = headers.raw
                if is_encrypted(scope):
                    raw = [(name, _secured(name, value)) for name, value in raw]
                message = {**message, "headers": raw}
            await send(message)

        return answer


def _is_foreign(headers: Headers) -> bool:
    """Whether the page of another site, or of another port, makes the request.

    Streamlit would ask a server on the internet for its own address to find out.
    """
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != headers.get("host")


def _secured(name: bytes, value: bytes) -> bytes:
    """Streamlit does not know of the proxy's TLS: its cookies get their flag here."""
    if name.lower() != b"set-cookie" or b"; secure" in value.lower():
        return value
    return value + b"; Secure"


def _headers() -> dict[str, str]:
    # `blob:`: Streamlit loads the scripts of components from such addresses. Only a script that
    # already runs can make one.
    sources = " ".join(["'self'", "blob:", *_hashes_of_inline_scripts()])
    return {
        "Content-Security-Policy": f"{_FOREVER}; script-src {sources}",
        "X-Frame-Options": "DENY",
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), display-capture=(), geolocation=(), microphone=()",
        "X-Robots-Tag": "noindex, nofollow",
    }


def _hashes_of_inline_scripts() -> list[str]:
    """Hashes of the scripts in Streamlit's page itself, which differ by version."""
    from streamlit import file_util

    page = Path(file_util.get_static_dir()) / "index.html"
    found = _INLINE.findall(page.read_text("utf-8"))
    return [
        f"'sha256-{b64encode(hashlib.sha256(one.encode()).digest()).decode()}'" for one in found
    ]
