"""The cookie that holds the token of a login.

Only the server sets and reads it: it is `HttpOnly`. Cookies ignore ports, so another server on the
same host name would receive it with each request. It is therefore kept to the addresses that need
it, and no page has one of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SOCKET = "_stcore/stream"
MEDIA = "media/"
OWN = "_review/"
"""Addresses below the base path: Streamlit's connection, its files, and the server's own."""

_TOKEN = re.compile(r"[\w-]{20,100}")


@dataclass(frozen=True)
class LoginCookie:
    """Cookie of one review, so that two on one host name do not sign each other out."""

    review: str
    base: str

    def token(self, scope: Mapping[str, Any]) -> str | None:
        """Return the token that a request or handshake brings."""
        name, found = self._name(is_encrypted(scope)), None
        for header, value in scope["headers"]:
            if header == b"cookie":
                for part in value.decode("latin-1").split(";"):
                    key, _, text = part.strip().partition("=")
                    # Browsers send the cookie of the longest path first: ours.
                    if key == name and found is None:
                        found = text
        return found if found and _TOKEN.fullmatch(found) else None

    def kept(self, scope: Mapping[str, Any], token: str) -> list[str]:
        """Headers that make the browser keep a token until it is closed."""
        return self._headers(scope, f"={token}")

    def forgotten(self, scope: Mapping[str, Any]) -> list[str]:
        """Headers that make the browser forget it."""
        return self._headers(scope, "=; Max-Age=0")

    def _headers(self, scope: Mapping[str, Any], value: str) -> list[str]:
        encrypted = is_encrypted(scope)
        flags = "; HttpOnly; SameSite=Strict" + ("; Secure" if encrypted else "")
        paths = [f"{self.base}/{part}".rstrip("/") for part in (SOCKET, MEDIA, OWN)]
        return [f"{self._name(encrypted)}{value}; Path={path}{flags}" for path in paths]

    def _name(self, encrypted: bool) -> str:
        # Browsers accept this prefix over TLS only: plain HTTP on this host name cannot set it.
        return f"{'__Secure-' if encrypted else ''}nsfwcaps_review_{self.review}"


def is_encrypted(scope: Mapping[str, Any]) -> bool:
    """Whether the browser used TLS, as the connection or a trusted proxy says."""
    return scope.get("scheme") in ("https", "wss")
