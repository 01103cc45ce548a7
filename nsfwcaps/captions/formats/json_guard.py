"""A guard before the JSON parser against what ends the process: endless numbers and deep nesting.

ijson's C backend crashes at an integer that Python refuses to convert, and its paths take memory
that grows with the square of the depth.
"""

from __future__ import annotations

import re
import sys
from typing import BinaryIO

from nsfwcaps.errors import InputError

MAX_DIGITS = sys.int_info.default_max_str_digits
MAX_DEPTH = 250
"""Levels that may open within one block of what is read, 64 KiB."""
_DIGITS = b"0123456789"
_LONG = re.compile(rb'(?<![0-9"])[0-9]{%d}' % (MAX_DIGITS + 1))
_STEP = MAX_DIGITS // 2
_NO_BRACKETS = bytes({*range(256)} - {*b"[]{}"})
_OUTSIDE_STRINGS = b"[]{},: \t\r\n0123456789+-.Etruefalsn"


class Guarded:
    """A stream of JSON that is checked as it is read, by byte patterns: a few percent of time."""

    def __init__(self, file: BinaryIO, where: str) -> None:
        self._file = file
        self._where = where
        self._run = 0  # digits at the end of what was read

    def read(self, size: int = -1) -> bytes:
        """Read up to `size` bytes.

        Raises:
            InputError: a number or the nesting is beyond what can be read.
        """
        data = self._file.read(size)
        if self._has_long_number(data):
            raise InputError(
                f"{self._where}: a number of more than {MAX_DIGITS:,} digits; write it as text"
            )
        if _net(data) > MAX_DEPTH and _is_deep(data):
            raise InputError(
                f"{self._where}: values nested more than {MAX_DEPTH} deep; expected a list of "
                "objects or of captions"
            )
        return data

    def _has_long_number(self, data: bytes) -> bool:
        # A run that is too long covers all bytes from one of these places to the next.
        places = range(0, len(data) - _STEP + 1, _STEP)
        if any(data[at : at + _STEP].isdigit() for at in places) and _LONG.search(data):
            return True
        first = data[: MAX_DIGITS + 1]
        start = len(first) - len(first.lstrip(_DIGITS))
        joined = self._run + start
        if start < len(data):
            last = data[-MAX_DIGITS - 1 :]
            self._run = len(last) - len(last.rstrip(_DIGITS))
        else:
            self._run = joined
        return joined > MAX_DIGITS


def _is_deep(data: bytes) -> bool:
    """Whether brackets outside strings are too deep, wherever in a string the block begins."""
    parts = data.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')
    halves = [b"".join(parts[start::2]) for start in (0, 1)]
    # Only one half is outside strings: that without words.
    return any(
        _net(half) > MAX_DEPTH and not half.translate(None, delete=_OUTSIDE_STRINGS)
        for half in halves
    )


def _net(data: bytes) -> int:
    """Levels opened and not closed, brackets inside strings included."""
    brackets = data.translate(None, delete=_NO_BRACKETS)
    opened = brackets.count(b"[") + brackets.count(b"{")
    return 2 * opened - len(brackets)
