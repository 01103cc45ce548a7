"""Results on disk: units go with the values, and intervals and tests use them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from nsfwcaps.evaluation.compare import compare
from nsfwcaps.evaluation.outcome import TaskOutcome
from nsfwcaps.evaluation.request import EvaluationTask
from nsfwcaps.evaluation.results import Origin, ResultFolder, ResultId, write_csv
from nsfwcaps.evaluation.verdicts import judged
from nsfwcaps.metrics.proportions import wilson
from nsfwcaps.progress import Silent

ORIGIN = Origin(key="k", pretrained="p", encoder={}, data_digest="d", settings={})
UNITS = np.repeat(np.arange(20), 10)
"""200 queries of 20 targets."""


def part(model: str) -> ResultId:
    return ResultId(dataset="set", task=EvaluationTask.RETRIEVAL, model=model)


def outcome(hits_of_targets: int, **changes: object) -> TaskOutcome:
    """All queries of the first targets are hits; half of the queries are of a category."""
    hits = np.less(UNITS, hits_of_targets).astype(float)
    given = {
        "values": {"T→V R@1": hits, "T→V MRR": np.linspace(0.1, 0.9, 200)},
        "groups": {"T→V R@1": np.where(UNITS % 2, "odd", "")},
        "units": {"T→V R@1": UNITS},
    }
    return TaskOutcome(task="retrieval", **{**given, **changes})  # type: ignore[arg-type]


def write(out: Path, model: str, measured: TaskOutcome) -> ResultFolder:
    folder = ResultFolder(out)
    folder.write(part(model), measured, ORIGIN)
    return folder


def test_units_are_kept_counted_and_used(tmp_path: Path) -> None:
    folder = write(tmp_path, "base", outcome(0))
    own = folder.read(part("base"))["nsfwcaps"]
    hits, ranks = own["figures"]["T→V R@1"], own["figures"]["T→V MRR"]
    assert (hits["n"], hits["units"], ranks["n"], ranks["units"]) == (200, 20, 200, 200)
    assert (hits["low"], hits["high"]) == pytest.approx(wilson(0, 20))
    odd = own["by_category"]["T→V R@1"]["odd"]
    assert (odd["n"], odd["units"]) == (100, 10)
    assert odd["high"] == pytest.approx(wilson(0, 10)[1])
    assert folder.values(part("base")).keys() == {"T→V R@1", "T→V MRR"}
    assert folder.units(part("base"))["T→V R@1"].tolist() == UNITS.tolist()
    assert folder.is_current(part("base"), "k")


def test_a_ratio_of_one_is_no_share(tmp_path: Path) -> None:
    measured = TaskOutcome(
        task="structure",
        values={"spread ratio safe text": np.ones(50), "overlap safe text": np.ones(50)},
        unbounded=frozenset({"spread ratio safe text"}),
    )
    folder = write(tmp_path, "base", measured)
    figures = folder.read(part("base"))["nsfwcaps"]["figures"]
    ratio, overlap = figures["spread ratio safe text"], figures["overlap safe text"]
    assert (ratio["low"], ratio["high"]) == (None, None)
    assert (overlap["low"], overlap["high"]) == (pytest.approx(0.9287, abs=1e-4), 1)
    write(tmp_path, "ours", measured)
    tests = compare(folder, [(part("base"), part("ours"))], Silent(), seed=0, samples=100)
    ends = {test["figure"]: test["high"] for test in tests}
    assert ends["spread ratio safe text"] is None
    assert ends["overlap safe text"] == pytest.approx(0.0713, abs=1e-4)


def test_three_weighted_hits_have_an_interval_within_bounds(tmp_path: Path) -> None:
    weighted = TaskOutcome(task="zeroshot", values={"mean per-class recall": np.array([0, 0, 1.5])})
    figures = write(tmp_path, "base", weighted).read(part("base"))["nsfwcaps"]["figures"]
    found = figures["mean per-class recall"]
    assert (found["value"], found["low"], found["high"]) == (0.5, 0, 1)


def test_units_of_another_length_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="need a unit for each value, got 3 for 200"):
        write(tmp_path, "base", outcome(5, units={"T→V R@1": np.arange(3)}))


def test_no_cell_of_the_table_is_a_formula(tmp_path: Path) -> None:
    groups = {"T→V R@1": np.array(["=1+1", "@x", "odd", "-a"] * 50)}
    folder = write(tmp_path, "base", outcome(5, groups=groups))
    write_csv(tmp_path, folder, [part("base")], [])
    rows = list(csv.DictReader((tmp_path / "results.csv").open()))
    named = {row["category"] for row in rows}
    assert named == {"", "'=1+1", "'@x", "odd", "'-a"}
    assert json.loads((folder.path / f"{part('base').place}.json").read_text())["nsfwcaps"][
        "by_category"
    ]["T→V R@1"].keys() == {"=1+1", "@x", "odd", "-a"}


def test_comparisons_flip_units_and_the_table_says_the_verdict(tmp_path: Path) -> None:
    """Three targets more, with all of their 30 queries: certain by query, not by target."""
    folder = write(tmp_path, "base", outcome(5))
    write(tmp_path, "ours", outcome(8))
    pairs = [(part("base"), part("ours"))]
    found = judged(compare(folder, pairs, Silent(), seed=0, samples=2000), margin=0.02)
    by_figure = {test["figure"]: test for test in found}
    hits = by_figure["T→V R@1"]
    assert hits["difference"] == pytest.approx(0.15)
    assert hits["p"] == pytest.approx(0.25, abs=0.03)  # 2 of the 8 sign patterns
    assert (hits["verdict"], by_figure["T→V MRR"]["verdict"]) == ("undecided", None)
    write_csv(tmp_path, folder, [part("base"), part("ours")], found)
    rows = list(csv.DictReader((tmp_path / "results.csv").open()))
    said = {(row["model"], row["figure"], row["category"]): row for row in rows}
    row = said["ours", "T→V R@1", ""]
    assert (row["n"], row["units"], row["verdict"]) == ("200", "20", "undecided")
    assert float(row["difference_low"]) == hits["low"]
    assert float(row["p_holm"]) == hits["p_holm"]
    assert said["ours", "T→V R@1", "odd"]["verdict"] == said["base", "T→V R@1", ""]["p"] == ""
    write(tmp_path, "ours", outcome(8, units={}))
    write(tmp_path, "base", outcome(5, units={}))
    (again, _) = compare(folder, pairs, Silent(), seed=0, samples=2000)
    assert again["p"] < 1e-6
