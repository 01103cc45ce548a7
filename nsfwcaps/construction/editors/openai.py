"""`openai:URL#MODEL`: a language model behind an OpenAI-compatible endpoint as editor."""

from __future__ import annotations

import os
import threading
import urllib.parse
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from nsfwcaps.config import digest
from nsfwcaps.construction.editors.answers import AnswerFile
from nsfwcaps.construction.editors.editor import Answer, EditorStatement, EditRequest, Refusal
from nsfwcaps.construction.editors.endpoint import (
    KEY_VARIABLES,
    Completion,
    Endpoint,
    NoAnswerError,
    Pace,
    StoppedError,
)
from nsfwcaps.construction.editors.prompt import PROMPT_VERSION, messages, parse
from nsfwcaps.construction.exclusion import excluded
from nsfwcaps.errors import ConfigError, ModelError

PREFIX = "openai:"

_MAX_UNANSWERED = 5
"""After this many consecutive failures the server counts as down."""


@dataclass(frozen=True, kw_only=True)
class Manners:
    """Request settings; none of them changes an answer."""

    workers: int = 8
    requests_per_minute: float | None = None
    timeout_s: float = 120.0
    attempts: int = 6
    first_wait_s: float = 1.0


def split_name(name: str) -> tuple[str, str]:
    """Split `openai:URL#MODEL` into URL and model.

    Raises:
        ConfigError: the form is wrong, or the URL holds credentials or a query.
    """
    url, sign, model = name.removeprefix(PREFIX).partition("#")
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or not (sign and model):
        raise ConfigError(
            "editor: expected openai:URL#MODEL, such as openai:http://localhost:8000/v1#llama-3-70b"
        )
    if parts.username or parts.password or parts.query:
        raise ConfigError(
            "editor: the address is published in manifest and card, so it must not hold a user, "
            f"password or query; set the key in the environment variable {KEY_VARIABLES[0]}"
        )
    return url, model


class OpenAiEditor:
    """Sends requests concurrently, and caches every answer so that none is paid for twice."""

    def __init__(self, name: str, folder: Path, manners: Manners) -> None:
        url, model = split_name(name)
        self.statement = EditorStatement(
            name=name, version=f"prompt {PROMPT_VERSION}", only_inserts=False
        )
        self._asked = [url, model, PROMPT_VERSION]
        self._answers = AnswerFile(folder)
        self._stop = threading.Event()
        self._workers = manners.workers
        self._endpoint = Endpoint(
            url,
            model,
            key=next(filter(None, map(os.environ.get, KEY_VARIABLES)), None),
            timeout_s=manners.timeout_s,
            attempts=manners.attempts,
            first_wait_s=manners.first_wait_s,
            pace=Pace(manners.requests_per_minute, self._stop),
        )
        self._models: set[str] = set()
        self._unanswered = 0
        self._lock = threading.Lock()

    @property
    def models(self) -> Sequence[str]:
        """Names that the answering models reported, sorted."""
        return sorted(self._models)

    def edit(self, requests: Sequence[EditRequest], advance: Callable[[int], None]) -> list[Answer]:
        """Answer n requests, from the cache where possible."""
        answers: list[Answer] = []
        pool = ThreadPoolExecutor(self._workers, thread_name_prefix="editor")
        try:
            for answer in pool.map(self._answer, requests):
                answers.append(answer)
                advance(1)
            return answers
        finally:
            # When a run ends early, drop requests under way and end their waits at once.
            if len(answers) < len(requests):
                self._stop.set()
            pool.shutdown(wait=True, cancel_futures=True)

    def _answer(self, request: EditRequest) -> Answer:
        key = digest([*self._asked, request.caption, request.category])
        known = self._answers.get(key)
        if known is not None:
            answer, model = known
            self._note(model)
            return answer
        if self._stop.is_set():
            raise StoppedError
        try:
            completion = self._endpoint.complete(messages(request))
        except NoAnswerError as problem:
            return self._no_answer(str(problem))
        answer = _read(completion)
        self._answers.add(key, answer, completion.model)
        self._note(completion.model)
        return answer

    def _note(self, model: str) -> None:
        with self._lock:
            self._unanswered = 0
            self._models.add(model)

    def _no_answer(self, problem: str) -> Refusal:
        with self._lock:
            self._unanswered += 1
            if self._unanswered >= _MAX_UNANSWERED:
                raise ModelError(
                    f"{self._endpoint.url}: {self._unanswered} consecutive requests had no answer, "
                    f"the last because of {problem}; check the server's log, then run the same "
                    "command again: answers are kept"
                )
        return Refusal("no_answer")


def _read(completion: Completion) -> Answer:
    if completion.text is None or completion.finish == "content_filter":
        return Refusal("refused")
    if completion.finish == "length":
        return Refusal("cut_short")
    answer = parse(completion.text)
    # Check before caching: excluded text is never stored.
    if not isinstance(answer, Refusal) and excluded(answer.caption):
        return Refusal("excluded")
    return answer
