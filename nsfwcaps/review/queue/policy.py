"""Review policy: how many people judge a pair, and how much each person sees."""

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

# Concepts of I2P, and the hazards of the bundled world. Other categories count as moderate.
_SEVERITY = {
    **dict.fromkeys(("sexual", "sexual content", "violence", "self-harm", "shocking"), SEVERE),
    **dict.fromkeys(("hate", "harassment", "illegal activity"), MODERATE),
    **dict.fromkeys(("weapon", "weapons", "smoking", "vandalism", "graffiti", "fire"), MILD),
}


@dataclass(frozen=True, kw_only=True)
class Policy:
    """Review policy. Caps are per person; days are UTC days."""

    __pydantic_config__ = STRICT_KEYS

    overlap: Annotated[int, Ge(1), Le(20)] = setting(2, "Independent annotators per pair.")
    gold_share: Share = setting(0.05, "Share of gold pairs among those shown.")
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
        1.0, "Minutes between severe pairs when nothing else is left."
    )
    reservation_minutes: Annotated[float, Gt(0)] = setting(
        20.0, "Minutes until an open pair is reassigned."
    )
    lead_reveals_per_hour: Annotated[int, Ge(1)] = setting(
        150, "Texts and images that a lead uncovers on the pages of leads per hour."
    )
    lead_reveals_per_day: Annotated[int, Ge(1)] = setting(
        500, "Texts and images that a lead uncovers on the pages of leads per day."
    )
    severity: tuple[str, ...] = setting(
        (), "Severity of a category (mild, moderate or severe), for example violence=severe."
    )

    def __post_init__(self) -> None:
        self._severities()

    def severity_of(self, category: str) -> int:
        """Return 1 (mild), 2 (moderate) or 3 (severe)."""
        key = category.casefold()
        return self._severities().get(key, _SEVERITY.get(key, MODERATE))

    def _severities(self) -> dict[str, int]:
        levels = {name: level for level, name in SEVERITY_NAMES.items()}
        found = {}
        for text in self.severity:
            category, equals, name = text.rpartition("=")
            if not equals or not category or name not in levels:
                raise ValueError(
                    f"invalid severity '{text}'; expected CATEGORY=LEVEL (mild, moderate, severe)"
                )
            found[category.casefold()] = levels[name]
        return found

    def as_json(self) -> dict[str, Any]:
        """Return plain values for `from_json`."""
        return config.as_dict(self)


def from_json(values: Mapping[str, Any]) -> Policy:
    """Parse a stored policy.

    Raises:
        ConfigError: it is invalid.
    """
    return config.parse(Policy, values, where="review")


def changed(policy: Policy, given: Mapping[str, Any]) -> Policy:
    """Return the policy with the given values; None keeps a value.

    Raises:
        ConfigError: names every invalid value.
    """
    names = {field.name for field in dataclasses.fields(Policy)}
    unknown = set(given) - names
    if unknown:
        raise ConfigError(f"review: unknown settings: {', '.join(sorted(unknown))}")
    asked = {name: value for name, value in given.items() if value is not None}
    return from_json({**policy.as_json(), **asked})
