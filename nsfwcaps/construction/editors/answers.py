"""Cache of paid answers: one JSON line each, keyed by the digest of the request."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from pathlib import Path
from typing import Any

from nsfwcaps.construction.editors.editor import Answer, Proposal, Refusal

FILE = "answers.jsonl"


class Answers:
    """Append-only answer cache; lines truncated by a kill are ignored."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._lock = threading.Lock()
        self._known: dict[str, dict[str, Any]] = {}
        for line in self._path.read_bytes().splitlines() if self._path.exists() else []:
            with contextlib.suppress(ValueError, KeyError, TypeError):
                row = json.loads(line)
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
        with self._lock, self._path.open("ab+") as file:
            start = b""
            if file.seek(0, os.SEEK_END):
                file.seek(-1, os.SEEK_END)
                start = b"" if file.read(1) == b"\n" else b"\n"
            file.write(start + json.dumps(row).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
            self._known[key] = row
