"""The server's own addresses: here the browser gets its cookie, and is freed of it."""

from __future__ import annotations

import asyncio
import contextlib
import time

from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from review_access import tickets
from review_access.cookie import OWN, LoginCookie
from review_access.live import LiveLogins

_LONGEST_TICKET = 200
_LONGEST_S = 5


def routes(cookie: LoginCookie, live: LiveLogins) -> list[Route]:
    """Return the routes; only pages of this server can use them."""

    async def sign_in(request: Request) -> Response:
        if not _is_own(request):
            return Response(status_code=403)
        token = tickets.redeem(await _text(request), time.time())
        if token is None or not await live.is_signed_in(token, unknown=False):
            return Response(status_code=403)
        return _answer(cookie.kept(request.scope, token))

    async def sign_out(request: Request) -> Response:
        if not _is_own(request):
            return Response(status_code=403)
        # A tab that was forgotten must not sign out who has signed in since in another.
        lasts = await live.is_signed_in(cookie.token(request.scope), unknown=True)
        return _answer([] if lasts else cookie.forgotten(request.scope))

    async def kept(request: Request) -> Response:
        lasts = await live.is_signed_in(cookie.token(request.scope), unknown=False)
        return Response(status_code=204 if lasts else 403)

    async def default(_: Request) -> Response:
        return RedirectResponse(f"{cookie.base}/")

    below = f"{cookie.base}/{OWN}"
    return [
        Route(f"{below}sign-in", sign_in, methods=["POST"]),
        Route(f"{below}sign-out", sign_out, methods=["POST"]),
        Route(f"{below}kept", kept, methods=["GET"]),
        # Streamlit knows its first page by the empty address only.
        *(Route(f"{cookie.base}/judge{end}", default, methods=["GET"]) for end in ("", "/")),
    ]


def _is_own(request: Request) -> bool:
    """Whether a script of this page asks: browsers name the origin of every such request."""
    return "origin" in request.headers  # another one does not get here


async def _text(request: Request) -> str:
    text = b""
    # Whoever never ends a request would keep the server from stopping.
    with contextlib.suppress(TimeoutError, ClientDisconnect):
        async with asyncio.timeout(_LONGEST_S):
            async for part in request.stream():
                text += part
                if len(text) > _LONGEST_TICKET:
                    return ""
            return text.decode("utf-8", "replace")
    return ""


def _answer(cookies: list[str]) -> Response:
    answer = Response(status_code=204)
    for one in cookies:
        answer.headers.append("Set-Cookie", one)
    return answer
