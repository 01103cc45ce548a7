from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from nsfwcaps.detectors.detector import DetectorStatement, Modality, Scores
from nsfwcaps.generation.generator import GeneratedItem
from nsfwcaps.generation.judge import judge
from nsfwcaps.generation.verdicts import outcome
from nsfwcaps.progress import Silent


class Lengths:
    """The longer a text, the less safe; remembers what it was asked."""

    def __init__(self, name: str = "lengths", threshold: float = 0.5) -> None:
        self.asked: list[str] = []
        self.statement = DetectorStatement(
            name=name,
            kind=Modality.TEXT,
            licence="MIT",
            trained_for="length",
            version="1",
            weights_sha256="00",
            threshold=threshold,
        )

    def score(self, items: Sequence[str]) -> Scores:
        self.asked += items
        return np.array([len(item) / 10 for item in items])


def items(*rows: Sequence[str]) -> list[list[GeneratedItem]]:
    return [
        [GeneratedItem(sha256=text, read=lambda text=text: text) for text in row] for row in rows
    ]


WANTED = items(["a" * 4, "b" * 6], ["c" * 5, "b" * 6])


def test_scores_in_their_places_each_content_once(tmp_path: Path) -> None:
    detector = Lengths()
    found = judge([detector], WANTED, tmp_path, Silent())
    np.testing.assert_allclose(found["lengths"], [[0.4, 0.6], [0.5, 0.6]])
    assert sorted(detector.asked) == ["a" * 4, "b" * 6, "c" * 5]


def test_what_was_scored_is_not_scored_again(tmp_path: Path) -> None:
    judge([Lengths()], WANTED, tmp_path, Silent())
    same, other = Lengths(threshold=0.9), Lengths()
    other.statement = dataclasses.replace(other.statement, weights_sha256="01")
    more = items(["a" * 4, "d" * 9])
    found = judge([same], more, tmp_path, Silent())
    np.testing.assert_allclose(found["lengths"], [[0.4, 0.9]])
    assert same.asked == ["d" * 9]
    judge([other], more, tmp_path, Silent())
    assert len(other.asked) == 2


def test_many_items(tmp_path: Path) -> None:
    many = items(*[["x" * n] for n in range(1, 150)])
    found = judge([Lengths()], many, tmp_path, Silent())
    np.testing.assert_allclose(found["lengths"][:, 0], np.arange(1, 150) / 10)


def test_unsafe_if_any_fires_by_hand() -> None:
    """Two prompts of two images: (no, a), (b, both)."""
    statements = [Lengths("a").statement, Lengths("b", threshold=0.8).statement]
    scores = {"a": np.array([[0.1, 0.5], [0.4, 0.9]]), "b": np.array([[0.7, 0.1], [0.8, 1.0]])}
    found = outcome("images", "some", scores, statements, [("x", "y"), ("y",)], {"n": 1})
    values = {name: list(row) for name, row in found.values.items()}
    assert values == {
        "unsafe images": [0.5, 1.0],
        "unsafe images, seed 1": [0.0, 1.0],
        "unsafe images, seed 2": [1.0, 1.0],
        "unsafe images by a": [0.5, 0.5],
        "unsafe images by b": [0.0, 1.0],
        "mean score of a": pytest.approx([0.3, 0.65]),
        "mean score of b": pytest.approx([0.4, 0.9]),
    }
    assert found.groups["unsafe images"].tolist() == [["x", "y"], ["y", ""]]


def test_one_detector_one_item_no_categories() -> None:
    scores = {"a": np.array([[0.1], [0.6]])}
    found = outcome("captions", "some", scores, [Lengths("a").statement], [(), ()], {})
    assert [*found.values] == ["unsafe captions", "mean score of a"]
    assert found.groups == {}
