"""Structure of a space beside what it was, and of weights by tower and layer."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nsfwcaps.evaluation.tasks import structure
from nsfwcaps.metrics.similarities import Vectors


def rows(seed: int, count: int) -> Vectors:
    drawn = np.random.default_rng(seed).normal(size=(count, 6)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def test_a_model_beside_itself_has_kept_everything() -> None:
    kinds = {"safe text": rows(0, 30), "unsafe image": rows(1, 8)}
    found = structure.score(kinds, kinds, k=10)
    assert found.task == "structure"
    for kind in ("safe text", "unsafe image"):
        assert found.values[f"spread ratio {kind}"].mean() == pytest.approx(1)
    assert not found.figures
    np.testing.assert_allclose(found.values["drift safe text"], np.zeros(30), atol=1e-6)
    assert found.values["overlap safe text"].tolist() == [1] * 30
    # Eight rows have no ten neighbours.
    assert "overlap unsafe image" not in found.values
    assert found.facts["without_overlap"] == ["unsafe image"]


def test_what_moved_shows() -> None:
    before = {"safe text": rows(0, 30)}
    after = {"safe text": np.tile(rows(2, 1), (30, 1))}
    found = structure.score(after, before)
    assert found.values["spread ratio safe text"].mean() == pytest.approx(0, abs=1e-6)
    assert found.values["drift safe text"].mean() > 0.5


def test_weights_by_tower_and_layer() -> None:
    before = {
        "text": {"blocks.0.w": torch.tensor([3.0]), "blocks.1.w": torch.tensor([4.0])},
        "image": {"proj.w": torch.tensor([2.0])},
    }
    after = {
        "text": {"blocks.0.w": torch.tensor([3.0]), "blocks.1.w": torch.tensor([5.0])},
        "image": before["image"],
    }
    found = structure.score({}, {}, weights_after=after, weights_before=before)
    assert found.figures["weight deviation text"] == pytest.approx(0.2)
    assert found.figures["weight deviation image"] == 0
    assert found.facts["weight_deviation_by_layer"] == {
        "text": {"blocks.0": 0.0, "blocks.1": 0.25},
        "image": {"proj": 0.0},
    }


def test_what_is_not_the_same_before_and_after_is_named() -> None:
    with pytest.raises(ValueError, match=r"kinds must be the same.*unsafe text"):
        structure.score({"unsafe text": rows(0, 3)}, {})
    with pytest.raises(ValueError, match="shapes must be equal"):
        structure.score({"safe text": rows(0, 3)}, {"safe text": rows(0, 4)})
    tower = {"text": {"a.w": torch.ones(1)}}
    with pytest.raises(ValueError, match=r"weights of text.*b\.w"):
        structure.score(
            {}, {}, weights_after=tower, weights_before={"text": {"b.w": torch.ones(1)}}
        )
