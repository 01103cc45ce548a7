"""The rules of a review: how many look at a pair, and how much one person sees."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from annotated_types import Ge, Gt, Le

from nsfwcaps import config
from nsfwcaps.config import STRICT_KEYS, setting
from nsfwcaps.errors import ConfigError

Share = Annotated[float, Ge(0), Le(0.5)]

MILD, MODERATE, SEVERE = 1, 2, 3
SEVERITY_NAMES = {MILD: "mild", MODERATE: "moderate", SEVERE: "severe"}

# Concepts of I2P, and the kinds of hazards in the bundled world. Any other counts as moderate.
_SEVERITY = {
    **dict.fromkeys(("sexual", "sexual content", "violence", "self-harm", "shocking"), SEVERE),
    **dict.fromkeys(("hate", "harassment", "illegal activity"), MODERATE),
    **dict.fromkeys(("weapon", "weapons", "smoking", "vandalism", "graffiti", "fire"), MILD),
}


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Rules of a review. The caps are for each person; days are those of UTC."""

    __pydantic_config__ = STRICT_KEYS

    overlap: Annotated[int, Ge(1), Le(20)] = setting(
        2, "People who judge each pair, blind to each other."
    )
    gold_share: Share = setting(0.05, "Share of what a person sees whose answer is known.")
    control_share: Share = setting(0.1, "Share of the queue drawn at random.")
    pairs_per_session: Annotated[int, Ge(1)] = setting(60, "Pairs per session.")
    pairs_per_day: Annotated[int, Ge(1)] = setting(200, "Pairs per day.")
    reveals_per_session: Annotated[int, Ge(1)] = setting(
        150, "Texts and images uncovered per session."
    )
    reveals_per_day: Annotated[int, Ge(1)] = setting(500, "Texts and images uncovered per day.")
    minutes_per_session: Annotated[float, Gt(0)] = setting(25.0, "Minutes per session.")
    minutes_per_day: Annotated[float, Gt(0)] = setting(120.0, "Minutes per day.")
    break_minutes: Annotated[float, Ge(0)] = setting(5.0, "Minutes between sessions.")
    severe_pause_minutes: Annotated[float, Ge(0)] = setting(
        1.0, "Minutes between two severe pairs where nothing else is left."
    )
    reservation_minutes: Annotated[float, Gt(0)] = setting(
        20.0, "Minutes until a pair that somebody left open goes to somebody else."
    )
    severity: tuple[str, ...] = setting(
        (), "Severity of a category, as violence=severe; mild, moderate or severe."
    )

    def __post_init__(self) -> None:
        self._severities()

    def severity_of(self, category: str) -> int:
        """1 mild, 2 moderate, 3 severe."""
        key = category.casefold()
        return self._severities().get(key, _SEVERITY.get(key, MODERATE))

    def _severities(self) -> dict[str, int]:
        levels = {name: level for level, name in SEVERITY_NAMES.items()}
        found = {}
        for text in self.severity:
            category, equals, name = text.rpartition("=")
            if not equals or not category or name not in levels:
                raise ValueError(
                    f"severity '{text}': write CATEGORY=LEVEL with mild, moderate or severe"
                )
            found[category.casefold()] = levels[name]
        return found

    def as_json(self) -> dict[str, Any]:
        """Plain values, as `from_json` reads them."""
        return config.as_dict(self)


def from_json(values: Mapping[str, Any]) -> Policy:
    """Read a policy that was kept.

    Raises:
        ConfigError: it cannot be one.
    """
    return config.parse(Policy, values, where="review")


def changed(policy: Policy, given: Mapping[str, Any]) -> Policy:
    """The policy with the values that were given; None leaves a value as it was.

    Raises:
        ConfigError: naming every value that cannot be.
    """
    names = {field.name for field in dataclasses.fields(Policy)}
    unknown = set(given) - names
    if unknown:
        raise ConfigError(f"review: no such rule: {', '.join(sorted(unknown))}")
    asked = {name: value for name, value in given.items() if value is not None}
    return from_json({**policy.as_json(), **asked})
