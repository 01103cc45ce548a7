"""Counts over the captions of a pool, one caption after the other."""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from nsfwcaps import pictures
from nsfwcaps.captions.clean import Clean, Rejected
from nsfwcaps.captions.normalize import TEXT_DIGITS
from nsfwcaps.captions.scripts import is_mostly_non_latin, script_of
from nsfwcaps.encoders.token_counts import Window
from nsfwcaps.inspection.facts import CoveredRow, PictureFacts, Spread, TokenFacts

EXAMPLES = 5
_BATCH = 1024
_MISSING = "image_missing"
_NAME_CHARACTERS = 40
LONG_CATEGORY = "(long text)"
"""Stands for a category that may be a caption rather than a name."""


class Tally:
    """Counts of one side."""

    def __init__(self, window: Window | None, *, decode: int | None) -> None:
        self.captions = 0
        self.unusable: Counter[str] = Counter()
        self.labels: Counter[str] = Counter()
        self.scripts: Counter[str] = Counter()
        self.categories: Counter[str] = Counter()
        self.non_latin = self.hidden = self.several_categories = self.with_picture = 0
        self.characters, self.words, self.tokens = array("L"), array("L"), array("L")
        self.examples: list[CoveredRow] = []
        self._window = window
        self._waiting: list[str] = []
        self._keys: set[str] = set()
        self._texts: set[str] = set()
        self._folds: set[int] = set()
        self._pictures = _Pictures(decode)

    def add(self, file: str, row: int, item: Clean | Rejected) -> None:
        """Count a caption, or a rejected one; a row of unknown number is -1."""
        if isinstance(item, Rejected):
            self.unusable[item.reason] += 1
            return
        self.captions += 1
        self.labels[item.label.value] += 1
        self.characters.append(len(item.caption))
        self.words.append(len(item.caption.split()))
        self.scripts[script_of(item.caption) or "no letters"] += 1
        self.non_latin += is_mostly_non_latin(item.caption)
        self.hidden += item.hidden
        self.several_categories += item.labels > 1
        if item.category is not None:
            self.categories[_name(item.category)] += 1
        self._keys.add(item.id)
        self._texts.add(item.id[:TEXT_DIGITS])
        self._folds.add(item.fold_key)
        if item.image_sha256 is not None:
            self.with_picture += 1
        self._count_tokens(item.caption)
        if row >= 0 and len(self.examples) < EXAMPLES:
            self.examples.append(self._example(file, row, item))

    def add_picture(self, data: bytes) -> None:
        """Decode a picture, unless it was decoded before or enough have been."""
        self._pictures.add(data)

    @property
    def exact_copies(self) -> int:
        """Captions whose text and picture came before."""
        return self.captions - len(self._keys)

    @property
    def near_copies(self) -> int:
        """Texts that differ from an earlier one only in case, punctuation or width."""
        return len(self._texts) - len(self._folds)

    def token_facts(self, model: str) -> TokenFacts | None:
        """Tokens of all captions."""
        if self._window is None:
            return None
        self._flush()
        return TokenFacts(
            model=model,
            window=self._window.tokens,
            languages=str(self._window.languages),
            spread=Spread.of(self.tokens),
            truncated=sum(count > self._window.tokens for count in self.tokens),
        )

    def picture_facts(self) -> PictureFacts:
        """Pictures found, and those decoded."""
        missing = self.unusable[_MISSING]
        return PictureFacts(
            named=self.with_picture + missing, missing=missing, **self._pictures.facts()
        )

    def finished_examples(self) -> list[CoveredRow]:
        """Examples with their numbers of tokens."""
        self._flush()
        counts: Sequence[int | None] = self.tokens[: len(self.examples)]
        counts = counts or [None] * len(self.examples)
        return [
            replace(example, tokens=count)
            for example, count in zip(self.examples, counts, strict=True)
        ]

    def _example(self, file: str, row: int, item: Clean) -> CoveredRow:
        return CoveredRow(
            id=item.id,
            file=file,
            row=row,
            characters=self.characters[-1],
            words=self.words[-1],
            tokens=None,
            category=_name(item.category) if item.category else None,
            caption=item.caption,
        )

    def _count_tokens(self, caption: str) -> None:
        if self._window is not None:
            self._waiting.append(caption)
            if len(self._waiting) == _BATCH:
                self._flush()

    def _flush(self) -> None:
        if self._window is not None and self._waiting:
            self.tokens.extend(self._window.count(self._waiting))
            self._waiting = []


def _name(category: str) -> str:
    return category if len(category) <= _NAME_CHARACTERS else LONG_CATEGORY


class _Pictures:
    """Sizes of the pictures decoded, each once."""

    def __init__(self, most: int | None) -> None:
        self._most = most
        self._widths, self._heights = array("L"), array("L")
        self._undecodable = 0
        self._seen: set[bytes] = set()

    def add(self, data: bytes) -> None:
        if self._most is not None and len(self._widths) + self._undecodable >= self._most:
            return
        digest = hashlib.sha256(data).digest()
        if digest in self._seen:
            return
        self._seen.add(digest)
        picture = pictures.decode(data)
        if isinstance(picture, str):
            self._undecodable += 1
        else:
            self._widths.append(picture.width)
            self._heights.append(picture.height)

    def facts(self) -> dict[str, Any]:
        return {
            "decoded": len(self._widths),
            "undecodable": self._undecodable,
            "widths": Spread.of(self._widths),
            "heights": Spread.of(self._heights),
        }
