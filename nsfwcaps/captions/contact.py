"""First contact with the store of a pool: bounded in time, whatever the network does.

The libraries of stores wait for minutes, and try again, where a server says nothing.
"""

from __future__ import annotations

import importlib
import threading
from typing import Any
from urllib.parse import urlsplit

import fsspec

from nsfwcaps.errors import InputError

SECONDS = 15.0
"""How long a store may take to say what there is at an address."""
READ_SECONDS = 60.0
"""How long a web server may take to send the next bytes of a file."""
_WEB = ("http", "https")


def limit_waiting(url: str) -> None:
    """Let web servers take no longer than the times above; what the user has set is kept."""
    protocol = url.partition("://")[0]
    if protocol not in _WEB or "client_kwargs" in fsspec.config.conf.get(protocol, {}):
        return
    try:
        web: Any = importlib.import_module("aiohttp")
    except ImportError:  # reported when the file is opened
        return
    limits = web.ClientTimeout(total=None, sock_connect=SECONDS, sock_read=READ_SECONDS)
    fsspec.config.conf.setdefault(protocol, {})["client_kwargs"] = {"timeout": limits}


def info(filesystem: fsspec.AbstractFileSystem, path: str, url: str) -> dict[str, Any]:
    """Return what a remote store says of an address.

    Raises:
        InputError: it does not answer in time.
        Exception: it cannot be reached, with an error of its library.
    """
    found: list[dict[str, Any]] = []
    failed: list[Exception] = []

    def ask() -> None:
        try:
            found.append(filesystem.info(path))
        except Exception as error:  # raised again below
            failed.append(error)

    # A daemon thread: it may hang, and must not keep the process alive.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(SECONDS)
    if failed:
        raise failed[0]
    if not found:
        raise InputError(
            f"{url}: {host(url)} does not answer within {SECONDS:g} s; check the address and "
            "the network, or download the file and give its path"
        )
    return found[0]


def host(url: str) -> str:
    """Return the name of the server, or of the store, that an address leads to.

    >>> host("https://data.org:8443/pool.csv"), host("s3://bucket/pool.csv")
    ('data.org:8443', 's3://bucket')
    """
    parts = urlsplit(url)
    if parts.scheme == "hf":
        from huggingface_hub import constants

        return urlsplit(constants.ENDPOINT).netloc or constants.ENDPOINT
    server = parts.netloc.rpartition("@")[2]
    return server if parts.scheme in _WEB else f"{parts.scheme}://{server}"
