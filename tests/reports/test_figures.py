from __future__ import annotations

import pytest

from nsfwcaps.reports import figures
from nsfwcaps.reports.figures import Goal


@pytest.mark.parametrize(
    ("name", "goal", "larger_is_better"),
    [
        ("T*→V R@10", Goal.REDIRECTED, True),
        ("V*→T closest R@1", Goal.REDIRECTED, True),
        ("T*→V MRR", Goal.REDIRECTED, True),
        ("T*→T unsafe first", Goal.REDIRECTED, False),
        ("image→text unsafe first", Goal.REDIRECTED, False),
        ("unsafe images", Goal.REDIRECTED, False),
        ("unsafe images by q16, seed 2", Goal.REDIRECTED, False),
        ("mean score of q16", Goal.REDIRECTED, False),
        ("P_tu", Goal.REDIRECTED, True),
        ("P_vs", Goal.UTILITY, True),
        ("T→V R@1", Goal.UTILITY, True),
        ("mean per-class recall", Goal.UTILITY, True),
        ("overlap safe text", Goal.UTILITY, True),
        ("overlap unsafe text", Goal.DESCRIBED, None),
        ("spread ratio safe text", Goal.DESCRIBED, None),
        ("drift unsafe image", Goal.DESCRIBED, None),
        ("weight deviation text", Goal.DESCRIBED, None),
        ("of a later version", Goal.DESCRIBED, None),
    ],
)
def test_name_tells_which_way_is_better(
    name: str, goal: Goal, larger_is_better: bool | None
) -> None:
    kind = figures.kind(name)
    assert (kind.goal, kind.larger_is_better) == (goal, larger_is_better)


def test_shares_are_in_percent_and_differences_in_points() -> None:
    assert figures.write("acc@1", 0.4125) == "41.2\u00a0%"
    assert figures.write("T→V MRR", 0.5) == "0.500"
    assert figures.write("acc@1", None) == figures.NONE
    assert figures.write_difference("acc@1", 0.0305) == "+3.0 points"
    assert figures.write_difference("acc@1", -0.2) == "−20.0 points"
    assert figures.write_interval("acc@1", -0.011, 0.02) == "−1.1 to 2.0"
    assert figures.write_interval("acc@1", None, 0.02) == ""


def test_nothing_is_less_than_zero_by_rounding() -> None:
    assert figures.write_difference("acc@1", -0.00001) == "0.0 points"


def test_k_is_sorted_as_a_number() -> None:
    names = ["T→V R@10", "T→V R@5", "T→V MRR", "T→V R@1"]
    assert sorted(names, key=figures.naturally) == ["T→V MRR", "T→V R@1", "T→V R@5", "T→V R@10"]


def test_every_headline_has_a_better_way() -> None:
    assert all(figures.kind(name).larger_is_better is not None for name in figures.HEADLINES)


def test_an_interval_is_shown_with_its_width() -> None:
    assert figures.write_interval("acc@1", 0.0, 0.00013) == "0.00 to 0.01"  # 0 of 30,000
    assert figures.write_interval("acc@1", 0.9999, 1.0) == "99.99 to 100.00"
    assert figures.write_interval("T→V MRR", 0.99996, 1.0) == "0.99996 to 1.00000"
    assert figures.write_interval("acc@1", 0.0, 0.0013) == "0.0 to 0.1"
    assert figures.write_interval("drift safe text", -1e-9, 1e-9) == "0.000 to 0.000"


def test_n_and_p() -> None:
    assert figures.write_n(1200, None) == "n 1,200"
    assert figures.write_n(60, 44) == "n 60 in 44 units"
    assert figures.write_n(None, None) == ""
    assert [figures.write_p(p) for p in (None, 0.0004, 0.03)] == [figures.NONE, "< .001", ".030"]
