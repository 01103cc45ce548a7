"""Captions inside nested cells, such as LLaVA's conversations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nsfwcaps.captions.tables.values import text_cell

_ROLES = ("from", "role")
_TEXT_KEYS = ("raw", "caption", "text", "sentence")


def captions(value: Any, keys: Sequence[str]) -> list[Any]:
    """Follow keys into a cell: of objects, positions of lists, or roles of a conversation.

    >>> turns = [{"from": "human", "value": "?"}, {"from": "gpt", "value": "A vase."}]
    >>> captions(turns, ["gpt", "value"])
    ['A vase.']
    """
    value = text_cell(value)
    if not keys:
        return [value] if not isinstance(value, list) else list(value)
    key, rest = keys[0], keys[1:]
    if isinstance(value, dict):
        return captions(value[key], rest) if value.get(key) is not None else []
    if not isinstance(value, list):
        return []
    if key.isdigit():
        return captions(value[int(key)], rest) if int(key) < len(value) else []
    objects = [item for item in value if isinstance(item, dict | list)]
    turns = [item for item in objects if isinstance(item, dict) and key in _roles(item)]
    if turns:
        return [found for item in turns for found in captions(item, rest)]
    return [found for item in objects for found in captions(item, keys)]


def inside(values: Sequence[Any]) -> tuple[str, ...]:
    """Key of the text in cells that are objects, or lists of them; empty for other cells."""
    items = [part for value in values for part in (value if isinstance(value, list) else [value])]
    objects = [item for item in items if isinstance(item, dict)]
    if not objects or len(objects) < len(items):
        return ()
    keys = [key for key in _TEXT_KEYS if all(key in item for item in objects)]
    return (keys[0],) if keys else ()


def _roles(item: dict[str, Any]) -> set[object]:
    return {text_cell(item.get(name)) for name in _ROLES}
