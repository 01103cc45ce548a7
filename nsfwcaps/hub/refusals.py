"""What the Hub refuses, in one line that says what mends it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from nsfwcaps.errors import ConfigError, NsfwcapsError, StorageError, first_line

AGAIN = "run the same command again: what has arrived is not sent twice"
_TRANSPORTS = ("httpx", "httpx2", "httpcore", "requests", "urllib3", "hf_xet")
"""Packages whose errors huggingface_hub passes on, by its version."""

_ADVICE = {
    HTTPStatus.UNAUTHORIZED: "the token is not valid; set HF_TOKEN, or run 'hf auth login'",
    HTTPStatus.PAYMENT_REQUIRED: "the storage of its owner is used up; free or buy some",
    HTTPStatus.FORBIDDEN: (
        "the token may not write there; use one with write access to it, or another ORG/NAME"
    ),
    HTTPStatus.NOT_FOUND: "it was removed meanwhile, or the token may not see it",
    HTTPStatus.CONFLICT: "the name is taken, or another push changes it; wait, or choose another",
    HTTPStatus.PRECONDITION_FAILED: f"it was changed meanwhile; {AGAIN}",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "a limit of the Hub is exceeded; publish smaller files",
    HTTPStatus.TOO_MANY_REQUESTS: f"it was asked too often; wait some minutes, then {AGAIN}",
    HTTPStatus.INSUFFICIENT_STORAGE: "the storage of its owner is used up; free or buy some",
}


@contextmanager
def explained(name: str) -> Iterator[None]:
    """Turn errors of huggingface_hub into one line about a data set on the Hub.

    Raises:
        ConfigError: the environment forbids the network.
        StorageError: the Hub refuses anything else, or does not answer.
    """
    try:
        yield
    except NsfwcapsError:
        raise
    except Exception as error:
        if (found := _explained(name, error)) is None:
            raise
        raise found from None


def host() -> str:
    """Return the name of the Hub's server, as set by HF_ENDPOINT."""
    from huggingface_hub import constants

    return urlsplit(constants.ENDPOINT).netloc or str(constants.ENDPOINT)


def silent(name: str) -> StorageError:
    """Return the error of a Hub that does not answer."""
    return StorageError(
        f"{name}: {host()} does not answer; check the network, or name a mirror with HF_ENDPOINT; "
        f"then {AGAIN}"
    )


def _explained(name: str, error: Exception) -> NsfwcapsError | None:
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    causes = [*_causes(error)]
    for cause in causes:
        if isinstance(cause, OfflineModeIsEnabled):
            return ConfigError(f"--push {name}: HF_HUB_OFFLINE forbids the network; unset it")
        if isinstance(cause, HfHubHTTPError):
            return _refused(name, cause)
    if any(type(cause).__module__.partition(".")[0] in _TRANSPORTS for cause in causes):
        return silent(name)
    if isinstance(error, ConnectionError | TimeoutError):
        return silent(name)
    if isinstance(error, ValueError | RuntimeError):
        return StorageError(f"{name}: {host()} did not take it: {first_line(error)}; {AGAIN}")
    return None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _refused(name: str, error: Any) -> StorageError:
    response = error.response
    status = None if response is None else response.status_code
    said = getattr(error, "server_message", None) or ""
    if status in _ADVICE:
        what = _ADVICE[HTTPStatus(status)]
    elif status is not None and status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        what = f"its server failed; {AGAIN}"
    else:
        what = "it refused the request"
    quoted = f", saying '{first_line(said)}'" if said else ""
    return StorageError(f"{name}: {host()} answered {status}{quoted}: {what}")
