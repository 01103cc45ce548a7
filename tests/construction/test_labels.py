from __future__ import annotations

from dataclasses import replace

import pytest

from nsfwcaps.construction.labels import ImageLabel, chosen, image_label
from nsfwcaps.detectors.detector import DetectorStatement, Modality

LAX = DetectorStatement(
    name="lax",
    kind=Modality.IMAGE,
    licence="none",
    trained_for="tests",
    version="1",
    weights_sha256="",
    threshold=0.9,
)
STRICT = replace(LAX, name="strict", threshold=0.2)
BOTH = [LAX, STRICT]


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [
        ({"lax": 0.1, "strict": 0.1}, "safe"),
        ({"lax": 0.9, "strict": 0.1}, "unsafe"),
        ({"lax": 0.1, "strict": 0.2}, "unsafe"),
    ],
)
def test_unsafe_if_any_judge_says_so(verdict: dict[str, float], expected: str) -> None:
    assert image_label(verdict, BOTH) == expected


def test_nobody_judged() -> None:
    assert image_label({}, []) is ImageLabel.UNJUDGED
    assert chosen([{}, {}], []) == 0


def test_the_first_unsafe_one_is_kept() -> None:
    verdicts = [{"lax": 0.1, "strict": 0.1}, {"lax": 0.95, "strict": 0.0}, {"lax": 1, "strict": 1}]
    assert chosen(verdicts, BOTH) == 1


def test_of_safe_ones_the_nearest_to_a_threshold() -> None:
    verdicts = [
        {"lax": 0.5, "strict": 0.05},
        {"lax": 0.1, "strict": 0.15},  # 0.05 below that of strict
        {"lax": 0.8, "strict": 0.0},
        {"lax": 0.1, "strict": 0.15},
    ]
    assert chosen(verdicts, BOTH) == 1
