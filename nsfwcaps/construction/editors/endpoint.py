"""Chat completions of an OpenAI-compatible server (vLLM, llama.cpp, …), with retries.

Transient failures (429, 5xx, time-outs, lost connections) are retried after a wait that doubles,
or that the server sets in `Retry-After`. Permanent ones (a wrong key, model or address) end the
run. The key is sent in one header to one address; redirects are not followed.
"""

from __future__ import annotations

import email.utils
import http.client
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nsfwcaps.construction.editors.prompt import SCHEMA
from nsfwcaps.errors import ModelError

KEY_VARIABLES = ("NSFWCAPS_API_KEY", "OPENAI_API_KEY")

_TRANSIENT = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_LONGEST_WAIT_S = 60.0
_LONGEST_RETRY_AFTER_S = 3600.0
_MAX_BYTES = 2**20
_MAX_TOKENS = 256


class NoAnswerError(Exception):
    """The server answered none of the attempts for one request; others may succeed."""


class StoppedError(Exception):
    """The run was stopped while a request was waiting."""


@dataclass(frozen=True, kw_only=True)
class Completion:
    """A completion: the text or None, the finish reason, and the model that the server reports."""

    text: str | None
    finish: str
    model: str


class Pace:
    """Rate limiter: a maximum per minute, and a pause on the server's demand."""

    def __init__(self, requests_per_minute: float | None, stop: threading.Event) -> None:
        self._gap_s = 60.0 / requests_per_minute if requests_per_minute else 0.0
        self._next = 0.0
        self._stop = stop
        self._lock = threading.Lock()

    def wait_turn(self) -> None:
        """Wait until this request may be sent.

        Raises:
            StoppedError: the run was stopped.
        """
        with self._lock:
            turn = max(self._next, time.monotonic())
            self._next = turn + self._gap_s
        self.sleep(turn - time.monotonic())

    def hold(self, seconds: float) -> None:
        """Hold all requests for a while."""
        with self._lock:
            self._next = max(self._next, time.monotonic() + seconds)

    def sleep(self, seconds: float) -> None:
        """Wait, unless the run is stopped.

        Raises:
            StoppedError: the run was stopped.
        """
        if self._stop.wait(max(0.0, seconds)):
            raise StoppedError


class Endpoint:
    """A model on a server."""

    def __init__(
        self,
        url: str,
        model: str,
        *,
        key: str | None,
        timeout_s: float,
        attempts: int,
        first_wait_s: float,
        pace: Pace,
    ) -> None:
        self.url, self.model = url.rstrip("/"), model
        self._key = key
        self._timeout_s, self._attempts, self._first_wait_s = timeout_s, attempts, first_wait_s
        self._pace = pace
        self._opener = urllib.request.build_opener(_NoRedirects)

    def complete(self, messages: Sequence[Mapping[str, str]]) -> Completion:
        """Request one greedy completion in the JSON schema.

        Raises:
            NoAnswerError: all attempts failed.
            ModelError: the server is unreachable, or rejects the key, model or address.
            StoppedError: the run was stopped.
        """
        body = json.dumps(
            {
                "model": self.model,
                "messages": list(messages),
                "temperature": 0,
                "max_tokens": _MAX_TOKENS,
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "edit", "schema": SCHEMA},
                },
            }
        ).encode()
        problem = ""
        reached = False
        for attempt in range(self._attempts):
            if attempt:
                self._pace.sleep(min(self._first_wait_s * 2 ** (attempt - 1), _LONGEST_WAIT_S))
            self._pace.wait_turn()
            try:
                return _completion(self._post(body))
            except urllib.error.HTTPError as error:
                reached = True
                problem = f"HTTP {error.code}"
                self._raise_unless_transient(error)
            except (OSError, http.client.HTTPException) as error:  # URLError is an OSError
                reason = getattr(error, "reason", error)
                problem = type(reason).__name__
                reached = reached or isinstance(reason, TimeoutError)
            except ValueError:
                reached, problem = True, "a response that is not a chat completion"
        if not reached:
            raise ModelError(
                f"{self.url} is unreachable ({problem}, {self._attempts} attempts); start the "
                "server or fix the address, then run the same command again: answers are kept"
            )
        raise NoAnswerError(problem)

    def _post(self, body: bytes) -> bytes:
        headers = {"Content-Type": "application/json"}
        if self._key:
            headers["Authorization"] = f"Bearer {self._key}"
        request = urllib.request.Request(f"{self.url}/chat/completions", body, headers)
        with self._opener.open(request, timeout=self._timeout_s) as response:
            data: bytes = response.read(_MAX_BYTES)
            return data

    def _raise_unless_transient(self, error: urllib.error.HTTPError) -> None:
        """Return if a retry may help, else raise."""
        with error:
            if error.code in _TRANSIENT:
                self._pace.hold(_retry_after_s(error.headers.get("Retry-After")))
                return
        if error.code in (401, 403):
            raise ModelError(
                f"{self.url} rejects the key (HTTP {error.code}); set the right one in the "
                f"environment variable {KEY_VARIABLES[0]}"
                + ("" if self._key else ", which is not set")
            )
        if error.code == 404:
            raise ModelError(
                f"{self.url} has no chat completions for model '{self.model}' (HTTP 404); fix "
                "the address or the model in openai:URL#MODEL"
            )
        if 300 <= error.code < 400:
            raise ModelError(f"{self.url} redirects (HTTP {error.code}); use the final address")
        raise NoAnswerError(f"HTTP {error.code}")


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *arguments: Any) -> None:
        """Follow no redirect, as the key would be sent along."""


def _completion(data: bytes) -> Completion:
    """Parse a response.

    Raises:
        ValueError: it does not follow the protocol.
    """
    values = json.loads(data)
    try:
        choice = values["choices"][0]
        message = choice["message"]
        text = None if message.get("refusal") else message.get("content")
        return Completion(
            text=text if isinstance(text, str) else None,
            finish=str(choice.get("finish_reason")),
            model=str(values.get("model")),
        )
    except (KeyError, IndexError, TypeError, AttributeError):
        raise ValueError from None


def _retry_after_s(value: str | None) -> float:
    """Parse a `Retry-After` header in seconds: a number or a date (RFC 9110, 10.2.3)."""
    if not value:
        return 0.0
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
        except (ValueError, TypeError):
            return 0.0
    return min(max(0.0, seconds), _LONGEST_RETRY_AFTER_S)
