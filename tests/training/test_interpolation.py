from __future__ import annotations

import pytest
import torch

from nsfwcaps.training.interpolation import interpolate

BASE = {"a": torch.tensor([0.0, 4.0]), "half": torch.tensor([1.0]).half(), "n": torch.tensor(1)}
TUNED = {"a": torch.tensor([2.0, 0.0]), "half": torch.tensor([2.0]).half(), "n": torch.tensor(5)}


@pytest.mark.parametrize(("strength", "a", "half"), [(0.25, [0.5, 3.0], 1.25), (0.5, [1, 2], 1.5)])
def test_between_the_two(strength: float, a: list[float], half: float) -> None:
    found = interpolate(BASE, TUNED, strength)
    assert found["a"].tolist() == a
    assert found["half"].tolist() == [half]
    assert found["half"].dtype == torch.float16
    assert found["n"].item() == 5


def test_at_full_strength_it_is_the_tuned_one_to_the_bit() -> None:
    torch.manual_seed(0)
    base, tuned = ({"w": torch.randn(1000) * 10**k} for k in (3, -3))
    assert torch.equal(interpolate(base, tuned, 1.0)["w"], tuned["w"])
