"""What differs between a finished stage and a wanted one, in words: settings and inputs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

_WIDTH = 60
_FACTS = ".facts"
_NOT_RECORDED = object()


def of_settings(before: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[str]:
    """Yield one line for each setting that differs, such as `k: 1 → 3`.

    Only names in `wanted` count. Lists show what was added and removed.

    >>> [*of_settings({"k": 1, "safe": ["a.csv"]}, {"k": 3, "safe": ["a.csv", "b.csv"]})]
    ['k: 1 → 3', 'safe: added b.csv']
    """
    for name, value in wanted.items():
        old = before.get(name, _NOT_RECORDED)
        if old is _NOT_RECORDED:
            yield f"{name}: a new setting, {_value(value)}"
        elif old != value:
            yield f"{name}: {_change(old, value)}"


def of_inputs(
    before: Mapping[str, str | None], wanted: Mapping[str, str], known: Collection[str] = ()
) -> Iterator[str]:
    """Yield one line for each file or stage whose digest differs, is new, or is gone.

    Those in `known` may be new or gone without a line.
    """
    for name, value in wanted.items():
        old = before.get(name)
        if old is None:
            if name not in known:
                yield f"{_input(name)} is new"
        elif old != value:
            yield f"{_input(name)} changed"
    for name in before:
        if name not in wanted and name not in known:
            yield f"{_input(name)} is no longer read"


def shortened(why: tuple[str, ...] | list[str], most: int = 5) -> list[str]:
    """Return the first reasons, and how many more there are."""
    more = len(why) - most
    return [*why] if more <= 0 else [*why[:most], f"and {more:,} more"]


def _input(name: str) -> str:
    """Name an input: a stage, its counts, or a file with its role."""
    if name.endswith(_FACTS):
        return f"the settings or counts of {name.removesuffix(_FACTS)}"
    role, colon, file = name.partition(":")
    if colon and not file.startswith("//"):
        return f"{role} {as_shown(file)}"
    return f"the output of {name}" if name.isidentifier() and name in _STAGES else name


_STAGES = ("construct", "illustrate", "ingest", "embed", "mine", "grade", "publish")


def as_shown(url: str) -> str:
    """Return an address as messages show it: without a query."""
    if "://" not in url:
        return url
    from nsfwcaps.captions.opening import shown  # slow to import

    return shown(url)


def _change(old: Any, new: Any) -> str:
    if isinstance(old, list) and isinstance(new, list):
        added, removed = (
            [item for item in one if item not in two] for one, two in ((new, old), (old, new))
        )
        parts = [
            f"{word} {', '.join(map(_value, items))}"
            for word, items in (("added", added), ("removed", removed))
            if items
        ]
        if parts:
            return "; ".join(parts)
    return f"{_value(old)} → {_value(new)}"


def _value(value: Any) -> str:
    """Format a setting's value; long ones are cut."""
    if value is None or value == []:
        text = "none"
    elif isinstance(value, bool):
        text = "on" if value else "off"
    elif isinstance(value, list):
        text = ", ".join(map(_value, value))
    else:
        text = as_shown(str(value))
    return text if len(text) <= _WIDTH else f"…{text[-_WIDTH:]}"
