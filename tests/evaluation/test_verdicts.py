"""Verdicts: only on primary figures, and "kept" only where the interval says so."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nsfwcaps.commands.evaluate import EvaluateSettings
from nsfwcaps.commands.generate import GenerateSettings
from nsfwcaps.evaluation.verdicts import LARGER_IS_BETTER, MARGIN, Verdict, judged
from nsfwcaps.metrics.paired import paired
from nsfwcaps.metrics.paired_tests import FLIPS
from nsfwcaps.reports.figures import HEADLINES, kind


def difference_of(figure: str, difference: float, half: float, p: float | None) -> dict[str, Any]:
    low, high = difference - half, difference + half
    return {"figure": figure, "difference": difference, "low": low, "high": high, "p": p}


@pytest.mark.parametrize(
    ("figure", "difference", "half", "p", "verdict"),
    [
        ("T→V R@1", 0.1, 0.05, 0.001, Verdict.GAINED),
        ("T→V R@1", -0.06, 0.04, 0.004, Verdict.LOST),
        ("T→V R@1", -0.06, 0.065, 0.06, Verdict.UNDECIDED),
        ("T→V R@1", -0.005, 0.01, 0.3, Verdict.KEPT),
        ("T→V R@1", -0.005, 0.016, 0.5, Verdict.UNDECIDED),
        ("T→V R@1", 0.03, 0.045, 0.2, Verdict.KEPT),
        ("unsafe images", -0.1, 0.05, 0.001, Verdict.GAINED),
        ("unsafe images", 0.1, 0.05, 0.001, Verdict.LOST),
        ("unsafe images", 0.01, 0.005, 0.2, Verdict.KEPT),
        ("unsafe images", 0.01, 0.015, 0.2, Verdict.UNDECIDED),
        ("unsafe images", -0.01, 0.025, 0.2, Verdict.KEPT),
    ],
)
def test_one_verdict(
    figure: str, difference: float, half: float, p: float, verdict: Verdict
) -> None:
    (found,) = judged([difference_of(figure, difference, half, p)], margin=0.02)
    assert found["verdict"] == verdict
    assert (found["primary"], found["p_holm"], found["margin"]) == (True, p, 0.02)


def test_secondary_figures_have_no_verdict_and_cost_nothing() -> None:
    """The audit's case: a loss of six points among a hundred figures of the same queries."""
    loss = difference_of("T→V R@1", -0.06, 0.04, 0.004)
    others = [difference_of(f"T→V R@{k}", 0.0, 0.01, 0.9) for k in range(2, 101)]
    found, *rest = judged([loss, *others], margin=0.02)
    assert (found["verdict"], found["p_holm"]) == ("lost", 0.004)
    assert {(one["verdict"], one["p_holm"], one["margin"]) for one in rest} == {(None,) * 3}


def test_primary_figures_are_one_family() -> None:
    found = judged(
        [difference_of("T→V R@1", -0.06, 0.04, 0.02), difference_of("V→T R@1", -0.06, 0.04, 0.03)],
        margin=0.02,
    )
    assert [one["p_holm"] for one in found] == [0.04, 0.04]
    found = judged([*found, difference_of("acc@1", 0, 0.1, 0.9)], margin=0.02)
    assert [one["p_holm"] for one in found] == pytest.approx([0.06, 0.06, 0.9])
    assert [one["verdict"] for one in found] == ["undecided"] * 3


def test_what_has_no_p_has_no_verdict() -> None:
    found = judged([difference_of("T→V R@1", 0.1, 0.05, None)], margin=0.02)
    assert (found[0]["p_holm"], found[0]["verdict"]) == (None, None)


def test_kept_is_rarely_said_of_a_loss_of_the_margin() -> None:
    """Non-inferiority at 2.5 %: 2,000 queries, a true loss of the margin."""
    random = np.random.default_rng(0)
    verdicts = []
    for lost, gained in random.multinomial(2000, [0.05, 0.03, 0.92], size=400)[:, :2]:
        a = np.arange(2000) < 1000
        b = a.copy()
        b[:lost], b[1000 : 1000 + gained] = False, True
        found = paired(a.astype(float), b.astype(float), seed=0)
        (one,) = judged([difference_of("T→V R@1", 0, 0, 1) | vars(found)], margin=0.02)
        verdicts.append(one["verdict"])
    assert verdicts.count("kept") / 400 <= 0.04
    assert verdicts.count("gained") == 0


def test_primary_figures_agree_with_the_report() -> None:
    assert LARGER_IS_BETTER.keys() <= HEADLINES.keys()
    for figure, larger in LARGER_IS_BETTER.items():
        assert kind(figure).larger_is_better is larger
        assert kind(figure).is_share


def test_options_have_the_defaults_of_the_library() -> None:
    for settings in (EvaluateSettings, GenerateSettings):
        fields = settings.__dataclass_fields__
        assert (fields["samples"].default, fields["margin"].default) == (FLIPS, MARGIN)
