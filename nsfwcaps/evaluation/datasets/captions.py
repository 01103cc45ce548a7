"""Distinct captions of a data set, compared after normalisation."""

from __future__ import annotations

from nsfwcaps.captions.normalize import normalize
from nsfwcaps.captions.tables.values import text_cell


class Captions:
    """Distinct captions in order of first appearance."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._row_of: dict[str, int] = {}

    def add(self, text: str) -> int:
        """Return the row of a caption, adding it if new; equal texts share a row."""
        if text not in self._row_of:
            self._row_of[text] = len(self.texts)
            self.texts.append(text)
        return self._row_of[text]

    def __len__(self) -> int:
        return len(self.texts)


def caption_of(cell: object) -> str | None:
    """Return the caption in a cell (of a list the first), or None if none is usable."""
    text = text_cell(cell[0] if isinstance(cell, list) and cell else cell)
    if not isinstance(text, str):
        return None
    try:
        text.encode()
    except UnicodeEncodeError:  # the source was not UTF-8
        return None
    return normalize(text) or None
