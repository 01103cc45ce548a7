"""Addresses of runs on object stores, and where this machine has their mirrors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nsfwcaps import extras
from nsfwcaps.cache import cache_folder
from nsfwcaps.errors import ConfigError

EXTRA = {"s3": "s3", "gs": "gs", "gcs": "gs"}
"""Extra of each kind of store whose package the core does not install."""
_KNOWN = (*EXTRA, "memory")
# A `Path` has joined the slashes. One letter is a drive of Windows.
_ADDRESS = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/+(.*)", re.DOTALL)
_BEGUN = re.compile(r"\s*(s3|gs|gcs):.*", re.DOTALL | re.IGNORECASE)
# Stores' libraries read these as patterns, which may match the objects of another run.
_SPECIAL = re.compile(r"[*?\[\]\x00-\x1f\x7f]|::")


def address_of(place: str | Path) -> str | None:
    """Return the address of a run on a store; None for a folder.

    Raises:
        ConfigError: the address is of a kind, or has a form, that cannot hold a run.

    >>> address_of(Path("s3://bucket/run")), address_of("runs/a")
    ('s3://bucket/run', None)
    """
    found = _ADDRESS.fullmatch(str(place))
    if found is None and (begun := _BEGUN.fullmatch(str(place))):
        kind = begun[1].lower()
        raise ConfigError(f"{str(place)!r}: expected {kind}://BUCKET/RUN")
    if found is None or found[1].lower() == "file":
        return None
    scheme, rest = found[1].lower(), found[2].strip("/")
    address = f"{scheme}://{rest}"
    if scheme not in _KNOWN:
        raise ConfigError(
            f"{address}: a run cannot be on '{scheme}://'; expected a folder, s3://BUCKET/RUN or "
            "gs://BUCKET/RUN"
        )
    parts = rest.split("/")
    if len(parts) < 2 or any(part in ("", ".", "..") for part in parts):
        raise ConfigError(f"{address}: expected {scheme}://BUCKET/RUN: a bucket, and a name in it")
    if _SPECIAL.search(rest):
        raise ConfigError(
            f"{address!r}: expected a name without '*', '?', '[', ']', '::' and line breaks"
        )
    return address


def is_on_store(place: str) -> bool:
    """Whether a text is an address of a kind that can hold a run.

    Raises:
        ConfigError: it is of such a kind, and has a form that cannot.

    >>> is_on_store("s3://bucket/run"), is_on_store("hf:/models/a"), is_on_store("runs/a")
    (True, False, False)
    """
    kind = place.partition("://")[0].lower()
    return "://" in place and kind in _KNOWN and address_of(place) is not None


def folder_of(place: str | Path) -> Path:
    """Return the path of a folder, also of `file:///path`."""
    found = _ADDRESS.fullmatch(str(place))
    return Path(f"/{found[2]}") if found and found[1].lower() == "file" else Path(place)


def require(address: str) -> None:
    """Check that the package of a store is installed.

    Raises:
        ModelError: it is not.
    """
    if extra := EXTRA.get(address.partition(":")[0]):
        extras.require({extra: f"a run on {address}"})


def mirrors() -> Path:
    """Return the folder of all mirrors on this machine."""
    return cache_folder() / "stores"


def mirror_of(address: str) -> Path:
    """Return the folder of an address's mirror."""
    scheme, _, rest = address.partition("://")
    return mirrors() / scheme / rest


def starts() -> list[tuple[str, str]]:
    """Return how the paths of mirrors begin, and the addresses that they have, by kind of store."""
    return [(f"{mirrors() / scheme}/", f"{scheme}://") for scheme in _KNOWN]


def shown(text: str) -> str:
    """Return a text with the addresses of runs instead of their mirrors.

    >>> shown(f"see {mirror_of('s3://bucket/run')}/dataset")
    'see s3://bucket/run/dataset'
    """
    for start, address in starts():
        text = text.replace(start, address)
    return text


def shown_values(value: Any) -> Any:
    """Return plain values with such texts in place of all theirs."""
    if isinstance(value, str):
        return shown(value)
    if isinstance(value, Mapping):
        return {shown(str(name)): shown_values(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [shown_values(item) for item in value]
    return value
