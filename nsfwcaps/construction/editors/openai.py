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
"""So many requests in a row without an answer: the server is down, not the requests hard."""


@dataclass(frozen=True, kw_only=True)
class Manners:
    """How a server is asked; none of it changes an answer."""

    workers: int = 8
    requests_per_minute: float | None = None
    timeout_s: float = 120.0
    attempts: int = 6
    first_wait_s: float = 1.0


def split_name(name: str) -> tuple[str, str]:
    """URL and model of `openai:URL#MODEL`.

    Raises:
        ConfigError: it is not of this form, or the address holds what must not be written down.
    """
    url, sign, model = name.removeprefix(PREFIX).partition("#")
    parts = urllib.parse.urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or not (sign and model):
        raise ConfigError(
            "editor: write openai:URL#MODEL, as in openai:http://localhost:8000/v1#llama-3-70b"
        )
    if parts.username or parts.password or parts.query:
        raise ConfigError(
            "editor: the address goes into manifest and card, so it may hold no user, password or "
            f"query; put the key into the environment variable {KEY_VARIABLES[0]}"
        )
    return url, model


class OpenAiEditor:
    """Asks several requests at once; keeps every answer, so that none is asked twice."""

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
        """Names by which the models that answered have called themselves, sorted."""
        return sorted(self._models)

    def edit(self, requests: Sequence[EditRequest], advance: Callable[[int], None]) -> list[Answer]:
        """Answer n requests, those that were answered before from the file."""
        answers: list[Answer] = []
        pool = ThreadPoolExecutor(self._workers, thread_name_prefix="editor")
        try:
            for answer in pool.map(self._answer, requests):
                answers.append(answer)
                advance(1)
            return answers
        finally:
            # Of a run that ends, requests under way are let go; their waits end at once.
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
                    f"{self._endpoint.url}: {self._unanswered} requests in a row had no answer, "
                    f"the last one for {problem}; look into the server's log, and run the same "
                    "command again: answers are kept"
                )
        return Refusal("no_answer")


def _read(completion: Completion) -> Answer:
    if completion.text is None or completion.finish == "content_filter":
        return Refusal("refused")
    if completion.finish == "length":
        return Refusal("cut_short")
    answer = parse(completion.text)
    # Before it is kept: what is excluded is stored nowhere.
    if not isinstance(answer, Refusal) and excluded(answer.caption):
        return Refusal("excluded")
    return answer
