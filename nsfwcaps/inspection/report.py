"""The result of an inspection: facts of a pool that know how to show themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from nsfwcaps.inspection.facts import PoolFacts
from nsfwcaps.inspection.show import lines


@dataclass(frozen=True, kw_only=True, repr=False)
class Inspection(PoolFacts):
    """What a pool is: its format, its columns, and facts of its captions, or of a sample of them.

    Its `repr` and its display in notebooks cover captions; `sides[0].examples[0].caption` is one.
    """

    def as_dict(self, *, show: bool = False) -> dict[str, Any]:
        """Return all facts as plain values, without captions unless `show` is set."""
        found: dict[str, Any] = _plain(self)
        if not show:
            for side in found["sides"]:
                for example in side["examples"]:
                    del example["caption"]
        return found

    def __repr__(self) -> str:
        return "\n".join(lines(self, show=False))

    def _repr_html_(self) -> str:
        return f"<pre>{escape(repr(self))}</pre>"


def _plain(value: Any) -> Any:
    if hasattr(value, "__dataclass_fields__"):
        return {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
