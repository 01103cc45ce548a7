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
        f"Unsafe captions that retrieve their safe image first ({DATASET}, T*→V R@1): "
        "5.0\u00a0% before, 41.0\u00a0% after; +36.0 points (34.0 to 38.0).",
        f"Unsafe captions that retrieve an unsafe image first ({DATASET}, T*→V unsafe first): "
        "90.0\u00a0% before, 20.0\u00a0% after; −70.0 points (−72.0 to −68.0).",
    ]
    assert [item.split(" (")[0] for item in found.lost] == [
        "Safe images that retrieve their caption first",
        "Images classified correctly",
    ]
    assert len(found.not_shown) == 3
    assert not found.untested


def test_lead_counts(tmp_path: Path) -> None:
    assert of(small(tmp_path).write()).lead == (
        "ours versus base: redirection better in 2 of 4 figures, worse in 0, not significantly "
        "different in 2; utility better in 0 of 3 figures, worse in 2, not significantly "
        "different in 1."
    )


def test_what_was_not_measured_is_said(tmp_path: Path) -> None:
    writer = small(tmp_path)
    writer.parts = {name: item for name, item in writer.parts.items() if "zeroshot" in name}
    assert "redirection was not measured" in of(writer.write()).lead


def test_without_comparisons_nothing_is_gained(tmp_path: Path) -> None:
    writer = small(tmp_path)
    writer.comparisons = []
    found = of(writer.write())
    assert (found.gained, found.lost, len(found.untested)) == ([], [], 7)
    assert "7 better" not in found.lead


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
        f"Safe captions that retrieve their image first ({DATASET}, T→V R@1): "
        "90.0\u00a0% (87.0 to 93.0)."
    ]
