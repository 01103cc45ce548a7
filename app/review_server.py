"""The server of the review; `nsfwcaps review` starts it.

It serves Streamlit behind a gate: `review_access` decides what reaches it.

    python review_server.py ADDRESS PORT [BASE-PATH]
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from starlette.middleware import Middleware
from streamlit.starlette import App

from nsfwcaps.review.database import Database
from nsfwcaps.review.people import logins
from review_access.connections import LOGIN_HEADER
from review_access.cookie import LoginCookie
from review_access.gate import Gate
from review_access.live import LiveLogins
from review_access.provider_answers import quieten
from review_access.routes import routes
from review_app.unforeseen import say

SCRIPT = Path(__file__).with_name("review.py")
_PROVIDERS = "NSFWCAPS_REVIEW_OIDC"


def settings(address: str, port: int, base: str) -> dict[str, Any]:
    """Streamlit's settings; those that protect are given, so that no file changes them."""
    return {
        "server.address": address,
        "server.port": port,
        "server.baseUrlPath": base,
        "server.headless": True,
        "server.fileWatcherType": "none",
        "server.enableStaticServing": False,
        "server.scriptHealthCheckEnabled": False,
        "server.enableAgentApi": False,
        "server.maxUploadSize": 0,  # MB, as those below
        "server.maxMessageSize": 64,
        "server.maxWidgetStateSize": 4,
        "server.enableCORS": True,
        "server.corsAllowedOrigins": [],
        "server.enableXsrfProtection": True,
        "server.xsrfCookieSameSite": "strict",
        "server.trustedUserHeaders": json.dumps({LOGIN_HEADER: "login"}),
        "server.unsafeMetricsUserAttributes": [],
        "global.developmentMode": False,
        "browser.gatherUsageStats": False,
        # It would ask the network for the addresses of this machine.
        "logger.hideWelcomeMessage": True,
        "logger.level": "warning",
        # A traceback may quote a caption; reviewers need no developer menu.
        "client.showErrorDetails": "none",
        "client.toolbarMode": "viewer",
        # Both themes keep a contrast of 4.5:1, also where Streamlit thins the text to 60 %.
        "theme.light.primaryColor": "#1a4468",
        "theme.light.textColor": "#0b0d12",
        "theme.dark.primaryColor": "#2a7ab5",
        "theme.dark.linkColor": "#8ec3e8",
        # No file of this machine's user can add a provider.
        "secrets.files": [path for path in (os.environ.get(_PROVIDERS),) if path],
    }


def app(database: str, base: str) -> App:
    """The review of a database, below a base path such as `/review`, or `` for none."""
    live = LiveLogins(database)
    opened = Database(database)
    with contextlib.closing(opened):
        cookie = LoginCookie(logins.review_id(opened), base)
    return App(
        SCRIPT,
        routes=routes(cookie, live),
        middleware=[
            Middleware(
                Gate, cookie=cookie, live=live, has_provider=bool(os.environ.get(_PROVIDERS))
            )
        ],
        lifespan=_quiet,
        on_script_error=say,
    )


@contextlib.asynccontextmanager
async def _quiet(_: App) -> AsyncIterator[None]:
    """Keep session ids, and who connects when, out of the log."""
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    logging.getLogger("streamlit.runtime.websocket_session_manager").setLevel(logging.ERROR)
    quieten()
    yield


def main(address: str, port: str, base: str = "") -> None:
    """Serve until the process is stopped."""
    # The server closes everything first, then raises the signal again.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: sys.exit(0))
    app(os.environ["NSFWCAPS_REVIEW_DB"], base).run(config=settings(address, int(port), base))


if __name__ == "__main__":
    main(*sys.argv[1:])
