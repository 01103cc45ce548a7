"""Answers that were paid for once: a file of lines, each under the digest of what was asked."""

from __future__ import annotations

import contextlib
import json
import os
import threading
from pathlib import Path
from typing import Any

from nsfwcaps.construction.editors.editor import Answer, Proposal, Refusal

FILE = "answers.jsonl"


class AnswerFile:
    """Answers in a file that only grows; a line that a kill cut short does not exist."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._lock = threading.Lock()
        self._known: dict[str, dict[str, Any]] = {}
        for line in self._path.read_bytes().splitlines() if self._path.exists() else []:
            with contextlib.suppress(ValueError, KeyError, TypeError):
                row = json.loads(line)
                self._known[row["key"]] = row

    def get(self, key: str) -> tuple[Answer, str] | None:
        """The answer, and the model that gave it, by its own word."""
        row = self._known.get(key)
        if row is None:
            return None
        if "reason" in row:
            return Refusal(row["reason"]), row["model"]
        return Proposal(caption=row["caption"], element=row["element"]), row["model"]

    def add(self, key: str, answer: Answer, model: str) -> None:
        """Keep an answer; it is on the disk when this returns."""
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
