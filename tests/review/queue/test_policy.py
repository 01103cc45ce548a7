"""Rules: what they may be, and that they come back."""

from __future__ import annotations

from typing import Any

import pytest

from nsfwcaps.errors import ConfigError
from nsfwcaps.review.queue import policy as policies
from nsfwcaps.review.queue.policy import MILD, MODERATE, SEVERE, Policy


def test_rules_come_back() -> None:
    kept = Policy(overlap=3, break_minutes=1.5, severity=("weapon=severe", "a=b=mild"))
    assert policies.from_json(kept.as_json()) == kept


@pytest.mark.parametrize(
    ("category", "severity"),
    [
        ("violence", SEVERE),
        ("Self-Harm", SEVERE),
        ("hate", MODERATE),
        ("smoking", MILD),
        ("something else", MODERATE),
        ("", MODERATE),
    ],
)
def test_severity_of_known_and_unknown_categories(category: str, severity: int) -> None:
    assert Policy().severity_of(category) == severity


def test_severity_that_is_given_comes_first() -> None:
    given = Policy(severity=("Smoking=severe", "violence=mild"))
    assert [given.severity_of(name) for name in ("smoking", "VIOLENCE")] == [SEVERE, MILD]


@pytest.mark.parametrize("text", ["violence", "=mild", "violence=", "violence=awful"])
def test_a_severity_that_cannot_be(text: str) -> None:
    with pytest.raises(ConfigError, match="CATEGORY=LEVEL"):
        policies.changed(Policy(), {"severity": (text,)})


@pytest.mark.parametrize(
    "given",
    [
        {"overlap": 0},
        {"overlap": 21},
        {"gold_share": 0.6},
        {"control_share": -0.1},
        {"pairs_per_session": 0},
        {"minutes_per_day": 0},
        {"break_minutes": -1},
        {"reservation_minutes": 0},
        {"overlap": "two"},
        {"mood": 1},
    ],
)
def test_rules_that_cannot_be(given: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(given))):
        policies.changed(Policy(), given)


def test_only_what_is_given_changes() -> None:
    before = Policy(overlap=3, pairs_per_day=7)
    after = policies.changed(before, {"overlap": None, "pairs_per_day": 9})
    assert (after.overlap, after.pairs_per_day) == (3, 9)
