"""The keys of a Croissant file: names that no vocabulary has, which readers keep without a word."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

from nsfwcaps.cards.croissant.vocabulary import NAMES, PREFIXES, RAI_PROPERTIES

_ALIKE = 0.75
_DATA_OF_USERS = ("@context", "data", "examples")


def unknown(value: Any, place: str = "") -> Iterator[str]:
    """Yield a line for each key that is misspelt or of no vocabulary."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            here = f"{place}.{key}" if place else key
            if (what := _wrong(key)) is not None:
                yield f"{here}: {what}"
            if key not in _DATA_OF_USERS:
                yield from unknown(inner, here)
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            name = inner.get("@id", number) if isinstance(inner, Mapping) else number
            yield from unknown(inner, f"{place}[{name}]")


def _wrong(key: str) -> str | None:
    short = _shortened(key)
    if short in NAMES:
        return None
    if short in RAI_PROPERTIES:
        return f"is a name of RAI; write 'rai:{short}'"
    near = _near(short)
    if near is not None:
        return f"is not in its vocabulary; did you mean '{near}'?"
    prefix, colon, _ = short.partition(":")
    if colon and prefix in PREFIXES:
        return f"is not in the vocabulary '{prefix}'"
    if colon:
        return f"has the prefix '{prefix}', which the context of publish does not have"
    return "is not a name of Croissant 1.1, nor of a data set at schema.org"


def _shortened(key: str) -> str:
    """Return a key with its prefix instead of the address of its vocabulary."""
    for prefix, address in PREFIXES.items():
        if key.startswith(address):
            return f"{prefix}:{key.removeprefix(address)}"
    return key


def _near(key: str) -> str | None:
    """Return the name that a key is a misspelling of."""
    plain = {name.lower(): name for name in sorted(NAMES)}
    found = difflib.get_close_matches(key.lower(), plain, 1, _ALIKE)
    return plain[found[0]] if found else None
