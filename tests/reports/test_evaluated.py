from __future__ import annotations

from pathlib import Path

from support.small_evaluation import MODELS, small

from nsfwcaps.reports.evaluated import evaluated, facts
from nsfwcaps.reports.read import read


def test_facts_are_flat_and_readable() -> None:
    assert facts({"a_b": {"c_d": [1, 2], "none": None}, "n": 1200, "on": True, "x": 1 / 3}) == [
        ("a b, c d", "1, 2"),
        ("n", "1,200"),
        ("on", "yes"),
        ("x", "0.3333"),
    ]


def test_record_is_told_and_gaps_are_sentences(tmp_path: Path) -> None:
    found = evaluated(read(small(tmp_path).write()))
    assert list(found.models) == list(MODELS)
    assert found.missing == ["ours, pets, zeroshot: no classes"]
    assert ("licence", "MIT") in found.detectors["a detector"]
    assert found.versions == ["0.1.0"]


def test_what_the_record_lacks_is_left_out(tmp_path: Path) -> None:
    writer = small(tmp_path)
    writer.run = {"missing": [{"model": "ours", "dataset": None, "reason": "cannot be loaded"}]}
    found = evaluated(read(writer.write()))
    assert (found.models, found.datasets, found.settings, found.detectors) == ({}, {}, [], {})
    assert found.missing == ["ours: cannot be loaded"]
