"""The file that names the OIDC providers of a review: TOML, as `st.login` needs it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from nsfwcaps.errors import ConfigError

DEFAULT = "default"
"""Name of the provider that stands directly under [auth]."""
CALLBACK = "/oauth2callback"
_NEEDED = ("client_id", "client_secret", "server_metadata_url")
_MIN_SECRET_CHARS = 32


def providers(path: Path) -> tuple[str, ...]:
    """Return the names of the providers in a file.

    Raises:
        ConfigError: the file cannot be read, or `st.login` could not use it.
    """
    auth = _section(path)
    address = urlsplit(str(auth.get("redirect_uri", "")))
    if address.scheme not in ("http", "https") or not address.path.endswith(CALLBACK):
        raise ConfigError(
            f"{path}: redirect_uri in [auth] must be the address of the page, with {CALLBACK} at "
            f"its end, such as https://review.example.org{CALLBACK}"
        )
    if len(str(auth.get("cookie_secret", ""))) < _MIN_SECRET_CHARS:
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
    if missing := [key for key in _NEEDED if not isinstance(part.get(key), str) or not part[key]]:
        raise ConfigError(f"{path}: {where} lacks {', '.join(missing)}")
