"""grade: assign a difficulty and a level (easy, medium or hard) to every pair."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nsfwcaps import extras
from nsfwcaps.enums import DifficultyLevel
from nsfwcaps.stage import Stage
from nsfwcaps.stages.grade.settings import GradeSettings


def _headline(facts: Mapping[str, Any]) -> str:
    levels = ", ".join(f"{facts['stages'][level]:,} {level}" for level in DifficultyLevel)
    return f"{levels}; no figure ({extras.install('report')})" if "figure" in facts else levels


GRADE = Stage(
    name="grade",
    settings=GradeSettings,
    module="nsfwcaps.stages.grade.run",
    headline=_headline,
    reads=("mine",),
)
