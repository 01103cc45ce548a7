"""Cache of paid answers: one JSON line each, keyed by the digest of the request."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from typing import Any

from nsfwcaps.construction.editors.editor import Answer, Proposal, Refusal
from nsfwcaps.files import JsonLines

FILE = "answers.jsonl"


class AnswerFile:
    """Append-only answer cache, safe to use from several threads."""

    def __init__(self, folder: Path) -> None:
        self._file = JsonLines(folder / FILE)
        self._lock = threading.Lock()
        self._known: dict[str, dict[str, Any]] = {}
        for row in self._file.rows():
            with contextlib.suppress(KeyError, TypeError):
                self._known[row["key"]] = row

    def get(self, key: str) -> tuple[Answer, str] | None:
        """Return the cached answer and the model that gave it, or None."""
        row = self._known.get(key)
        if row is None:
            return None
        if "reason" in row:
            return Refusal(row["reason"]), row["model"]
        return Proposal(caption=row["caption"], element=row["element"]), row["model"]

    def add(self, key: str, answer: Answer, model: str) -> None:
        """Append an answer and fsync it."""
        row: dict[str, Any] = {"key": key, "model": model}
        if isinstance(answer, Refusal):
            row["reason"] = answer.reason
        else:
            row |= {"caption": answer.caption, "element": answer.element}
        with self._lock:
            self._file.add([row])
            self._known[key] = row
