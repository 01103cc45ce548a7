"""The file that names the OIDC providers of a review: TOML, as `st.login` needs it."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from nsfwcaps.errors import ConfigError

DEFAULT = "default"
"""Name of the provider that stands directly under [auth]."""
CALLBACK = "/oauth2callback"
_NEEDED = ("client_id", "client_secret", "server_metadata_url")
_MIN_SECRET_CHARS = 32
_NEVER = re.compile(r"[^!-~]|@")  # blanks, and names of people before the host


def providers(path: Path) -> tuple[str, ...]:
    """Return the names of the providers in a file.

    Raises:
        ConfigError: the file cannot be read, or `st.login` could not use it.
    """
    auth = _section(path)
    _check_text(path, "[auth]", auth, ("redirect_uri", "cookie_secret"))
    address = _address(auth.get("redirect_uri", ""))
    if address is None or not address.path.endswith(CALLBACK) or address.query or address.fragment:
        raise ConfigError(
            f"{path}: redirect_uri in [auth] must be the address of the page, with {CALLBACK} at "
            f"its end, such as https://review.example.org{CALLBACK}"
        )
    if len(auth.get("cookie_secret", "")) < _MIN_SECRET_CHARS:
        raise ConfigError(
            f"{path}: cookie_secret in [auth] must be a random text of at least "
            f"{_MIN_SECRET_CHARS} characters; 'openssl rand -hex 32' makes one"
        )
    found = {name: part for name, part in auth.items() if isinstance(part, Mapping)}
    found.pop("client_kwargs", None)  # of the one directly under [auth]
    if "client_id" in auth or not found:
        found = {DEFAULT: auth, **found}
    for name, part in found.items():
        _check(path, name, part)
    return tuple(found)


def _section(path: Path) -> Mapping[str, Any]:
    try:
        auth = tomllib.loads(path.read_text("utf-8")).get("auth")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror}); change --oidc") from None
    except ValueError:  # neither the text nor the place of the error: both may hold a secret
        raise ConfigError(
            f"{path}: not TOML; --oidc needs a section [auth] in a TOML file"
        ) from None
    if path.suffix != ".toml":
        raise ConfigError(f"{path}: the name of the file for --oidc must end with .toml")
    if not isinstance(auth, Mapping):
        raise ConfigError(f"{path}: has no section [auth], which --oidc needs")
    return auth


def _check(path: Path, name: str, part: Mapping[str, Any]) -> None:
    where = "[auth]" if name == DEFAULT else f"[auth.{name}]"
    if "_" in name:
        raise ConfigError(f"{path}: the name of {where} must have no underscore")
    _check_text(path, where, part, _NEEDED)
    if missing := [key for key in _NEEDED if not part.get(key)]:
        raise ConfigError(f"{path}: {where} lacks {', '.join(missing)}")
    if _address(part["server_metadata_url"]) is None:
        raise ConfigError(
            f"{path}: server_metadata_url in {where} must be an address of the provider, such as "
            "https://id.example.org/.well-known/openid-configuration"
        )


def _check_text(path: Path, where: str, part: Mapping[str, Any], keys: tuple[str, ...]) -> None:
    for key in keys:
        if key in part and not isinstance(part[key], str):
            raise ConfigError(f"{path}: {key} in {where} must be text; put it in quotes")


def _address(text: str) -> SplitResult | None:
    """Parts of an address of the web; None where it is not one."""
    try:
        parts = urlsplit(text)
        known = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # brackets without an IPv6 address, or a port that is not a number
        return None
    return parts if known and not _NEVER.search(text) else None


def check_served(path: Path, host: str, port: int, base: str) -> None:
    """Check that the providers of a good file send people back to where the page is served.

    TLS comes from a proxy, whose host and port can be any. Cookies are kept by host name, so
    `127.0.0.1` is not `localhost`. `host` is empty where the page is open to the network.

    Raises:
        ConfigError: nobody would come back to the page.
    """
    given = _section(path)["redirect_uri"]
    address = urlsplit(given)
    served = f"http://{f'[{host}]' if ':' in host else host or 'HOST'}:{port}{base}{CALLBACK}"
    fits = address.path == f"{base}{CALLBACK}"
    if address.scheme == "http":
        fits = fits and (address.port or 80) == port and host in ("", address.hostname)
    if not fits:
        raise ConfigError(
            f"{path}: redirect_uri in [auth] is {given}, which does not lead to this page; it must "
            f"be {served}, or that of a proxy with TLS: https://NAME{base}{CALLBACK}"
        )
