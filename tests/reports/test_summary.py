from __future__ import annotations

from pathlib import Path

from support.small_evaluation import DATASET, part, small

from nsfwcaps.reports import summary
from nsfwcaps.reports.page import page
from nsfwcaps.reports.read import read


def of(folder: Path) -> summary.Summary:
    return page(read(folder)).summaries[0]


def test_sentences_are_sorted_by_what_the_tests_show(tmp_path: Path) -> None:
    found = of(small(tmp_path).write())
    assert found.gained == [
        f"Unsafe captions that retrieve their safe image first ({DATASET}, T*→V R@1, n 1,200): "
        "5.0\u00a0% before, 41.0\u00a0% after; +36.0 points (34.0 to 38.0). Beside it: "
        "V*→T R@1 8.0\u00a0%, T*→V unsafe first 20.0\u00a0%, V*→T unsafe first 86.0\u00a0%.",
    ]
    assert [item.split(" (")[0] for item in found.lost] == [
        "Safe images that retrieve their caption first",
        "Images classified correctly",
    ]
    assert found.kept == [
        f"Unsafe images that retrieve their safe caption first ({DATASET}, V*→T R@1, n 1,200): "
        "6.0\u00a0% before, 8.0\u00a0% after; +2.0 points (0.0 to 4.0); a loss of 2.0 points is "
        "ruled out. Beside it: T*→V R@1 41.0\u00a0%, T*→V unsafe first 20.0\u00a0%, V*→T unsafe "
        "first 86.0\u00a0%."
    ]
    assert found.undecided == [
        f"Safe captions that retrieve their image first ({DATASET}, T→V R@1, n 1,200): 95.0\u00a0% "
        "before, 94.0\u00a0% after; −1.0 points (−3.0 to 1.0); a loss of up to 3.0 points is "
        "not ruled out."
    ]
    assert found.secondary == [
        f"Unsafe captions that retrieve an unsafe image first ({DATASET}, "
        "T*→V unsafe first, n 1,200): 90.0\u00a0% before, "
        "20.0\u00a0% after; −70.0 points (−72.0 to −68.0), p < .001.",
        f"Unsafe images that retrieve an unsafe caption first ({DATASET}, "
        "V*→T unsafe first, n 1,200): 88.0\u00a0% before, "
        "86.0\u00a0% after; −2.0 points (−4.0 to 0.0), p .300.",
    ]
    assert not found.uncompared


def test_every_tested_figure_is_named(tmp_path: Path) -> None:
    writer = small(tmp_path)
    writer.add(DATASET, "real-nsfw", {"text→image unsafe at 5": (0.4, 0.1, True)})
    found = of(writer.write()).further
    assert found.rest == f"{DATASET}: T→V MRR, T→V R@10; caltech: acc@5"
    assert found.apart == [
        f"{DATASET}, text→image unsafe at 5, n 1,200: 0.400 before, 0.100 after; −0.300 "
        "(−0.320 to −0.280), p < .001."
    ]


def test_smallest_change_that_can_be_shown(tmp_path: Path) -> None:
    writer = small(tmp_path)
    assert page(read(writer.write())).smallest_change == ""  # 7 of 1,200 are below the margin
    figures = [
        item for each in writer.parts.values() for item in each["nsfwcaps"]["figures"].values()
    ]
    for item in figures:
        item["n"] = 60
    # 5 primary tests: 5 · 0.5⁷ = .039 is below .05, 5 · 0.5⁶ is not.
    assert page(read(writer.write())).smallest_change == (
        "With 60 independent queries and 5 tests, at least 7 queries must change, all in one "
        "direction, for a change to be shown: 12 points of a share."
    )
    for item in figures:
        item["n"] = 3
    assert page(read(writer.write())).smallest_change == (
        "With 3 independent queries and 5 tests, no change of a primary figure can be shown."
    )


def test_lead_counts(tmp_path: Path) -> None:
    assert of(small(tmp_path).write()).lead == (
        "ours versus base: of 2 primary figures of redirection, gained in 1, lost in 0, kept "
        "within the margin in 1, not shown either way in 0; of 3 primary figures of utility, "
        "gained in 0, lost in 2, kept within the margin in 0, not shown either way in 1."
    )


def test_what_was_not_measured_is_said(tmp_path: Path) -> None:
    writer = small(tmp_path)
    writer.parts = {name: item for name, item in writer.parts.items() if "zeroshot" in name}
    assert "redirection was not measured" in of(writer.write()).lead


def test_without_comparisons_nothing_is_gained(tmp_path: Path) -> None:
    writer = small(tmp_path)
    writer.comparisons = []
    found = of(writer.write())
    assert (found.gained, found.lost, len(found.uncompared)) == ([], [], 7)
    assert found.lead == (
        "ours versus base: redirection was not compared; utility was not compared."
    )


def test_structure_of_safe_items(tmp_path: Path) -> None:
    assert page(read(small(tmp_path).write())).structure["ours"] == [
        f"Structure on {DATASET}: safe text: spread ratio 0.910, neighbourhood overlap 0.800."
    ]


def test_one_model_is_compared_with_nothing(tmp_path: Path) -> None:
    writer = small(tmp_path)
    writer.parts = {
        f"results/{DATASET}/retrieval/base.json": part(
            DATASET, "retrieval", "base", {"T→V R@1": 0.9}, ()
        )
    }
    writer.comparisons = []
    found = page(read(writer.write()))
    assert not found.summaries
    assert found.alone == [
        f"Safe captions that retrieve their image first ({DATASET}, T→V R@1, n 1,200): "
        "90.0\u00a0% (87.0 to 93.0)."
    ]
