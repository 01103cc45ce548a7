"""Spread, drift and weights against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nsfwcaps.metrics.structure import (
    drift,
    layer_deviations,
    spread_ratio,
    spread_ratios,
    weight_deviation,
)


def rows(seed: int, n: int = 60, d: int = 8) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    drawn = np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def test_spread_of_rows_at_right_angles() -> None:
    apart = np.eye(4, dtype=np.float32)  # mean of length 1/2: spread 3/4
    close = np.repeat(np.eye(4, dtype=np.float32)[:2], 2, axis=0)  # 1/sqrt(2): 1/2
    assert spread_ratio(close, apart) == pytest.approx(2 / 3)
    assert spread_ratio(apart, apart) == 1.0


def test_spread_is_half_the_mean_squared_distance() -> None:
    some = rows(0)
    apart = np.square(some[:, None] - some[None]).sum(-1).mean() / 2
    other = rows(1)
    same = np.square(other[:, None] - other[None]).sum(-1).mean() / 2
    assert spread_ratio(some, other) == pytest.approx(apart / same, rel=1e-5)


def test_spread_ratios_have_the_ratio_as_their_mean_and_its_bootstrap_as_their_spread() -> None:
    before = rows(2, n=300)
    after = before + 0.5 * rows(3, n=300) + 0.7
    after /= np.linalg.norm(after, axis=1, keepdims=True)
    values = spread_ratios(after, before)
    assert values.mean() == pytest.approx(spread_ratio(after, before))
    drawn = np.random.default_rng(0).integers(0, 300, size=(500, 300))
    exact = [spread_ratio(after[some], before[some]) for some in drawn]
    assert values[drawn].mean(axis=1).std() == pytest.approx(np.std(exact), rel=0.1)
    assert np.corrcoef(values[drawn].mean(axis=1), exact)[0, 1] > 0.99


def test_collapse_before_has_no_ratio() -> None:
    same = np.repeat(rows(5, n=1), 50, axis=0)
    assert np.isnan(spread_ratio(rows(6), same))
    assert np.isnan(spread_ratios(rows(6, n=50), same)).all()
    assert spread_ratio(same, rows(6)) == pytest.approx(0, abs=1e-6)


def test_weight_deviation_by_hand() -> None:
    before = {"one": torch.tensor([3.0, 0.0]), "two": torch.tensor([[4.0]])}
    after = {"one": torch.tensor([3.0, 2.0]), "two": torch.tensor([[5.5]])}
    # sqrt(4 + 2.25) / 5
    assert weight_deviation(after, before) == pytest.approx(0.5)
    assert weight_deviation(before, before) == 0.0


def test_drift_by_hand() -> None:
    before = np.array([[1, 0], [1, 0], [1, 0]], dtype=np.float32)
    after = np.array([[1, 0], [0.6, 0.8], [-1, 0]], dtype=np.float32)
    assert drift(after, before).tolist() == pytest.approx([0, 0.4, 2])
    with pytest.raises(ValueError, match="shapes must be equal"):
        drift(after[:2], before)


def test_layers_are_blocks_modules_or_lone_tensors() -> None:
    names = {
        "transformer.resblocks.0.attn.weight": "transformer.resblocks.0",
        "transformer.resblocks.0.mlp.2.weight": "transformer.resblocks.0",
        "transformer.resblocks.10.attn.weight": "transformer.resblocks.10",
        "ln_final.weight": "ln_final",
        "positional_embedding": "positional_embedding",
    }
    before = {name: torch.tensor([3.0, 4.0]) for name in names}
    after = {**before, "transformer.resblocks.0.mlp.2.weight": torch.tensor([3.0, 5.0])}
    found = layer_deviations(after, before)
    assert [*found] == [*dict.fromkeys(names.values())]
    assert found["transformer.resblocks.0"] == pytest.approx(1 / np.sqrt(50))
    assert sum(found.values()) == found["transformer.resblocks.0"]
