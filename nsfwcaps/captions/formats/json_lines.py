"""JSON lines: one object a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import BinaryIO

from nsfwcaps.captions.opening import shown
from nsfwcaps.captions.options import ReadOptions
from nsfwcaps.captions.rows import BadRow, Choose, Row, row_wise
from nsfwcaps.captions.text import UTF8, decoded, raw


def read(file: BinaryIO, url: str, choose: Choose, options: ReadOptions) -> Iterator[Row | BadRow]:
    """Read an object per line."""
    text, encoding = decoded(file, options.encoding, shown(url))
    notes = {} if encoding == UTF8 else {"encoding": encoding}
    return row_wise(_objects(text), choose, notes)


def _objects(lines: Iterator[str]) -> Iterator[Row | BadRow]:
    for line in lines:
        text = line.strip()
        if not text:
            continue
        try:
            row = json.loads(text)
        except (ValueError, RecursionError):
            # Files with byte order marks that were joined have one in their middle.
            if text.startswith("\ufeff"):
                yield from _objects(iter([text.lstrip("\ufeff")]))
            else:
                yield BadRow("broken_json", raw(text))
            continue
        yield row if isinstance(row, dict) else BadRow("not_an_object", raw(text))
