"""Captions of a data set, each once by its words."""

from __future__ import annotations

from nsfwcaps.captions.clean import text_cell
from nsfwcaps.captions.normalize import normalize


class Captions:
    """Distinct captions in the order in which they came."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._row_of: dict[str, int] = {}

    def add(self, text: str) -> int:
        """Row of a caption, the same for the same words."""
        if text not in self._row_of:
            self._row_of[text] = len(self.texts)
            self.texts.append(text)
        return self._row_of[text]

    def __len__(self) -> int:
        return len(self.texts)


def caption_of(cell: object) -> str | None:
    """Caption in a cell, of several the first; None where there is none that can be used."""
    text = text_cell(cell[0] if isinstance(cell, list) and cell else cell)
    if not isinstance(text, str):
        return None
    try:
        text.encode()
    except UnicodeEncodeError:  # what was not UTF-8
        return None
    return normalize(text) or None
