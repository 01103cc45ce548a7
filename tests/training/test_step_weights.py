"""Weights held for a step: the same numbers as cast at every call, and no trace afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from support.tiny_models import SIZE_PX, build

from nsfwcaps.encoders.text_tower import text_tower
from nsfwcaps.training.adapters import Adaptation, adapt, merged_state_dict, train_mode
from nsfwcaps.training.low_rank import LowRankAttention, LowRankLinear
from nsfwcaps.training.step_weights import StepWeights

HALF = torch.bfloat16


def adapted(name: str, folder: Path, dropout: float = 0.0) -> Any:
    model = build(name, folder)
    torch.manual_seed(0)
    adapt(model, Adaptation(rank=4, alpha=8.0, dropout=dropout))
    for layer, parameter in model.named_parameters():
        if ".lora_B." in layer:
            torch.nn.init.normal_(parameter, std=0.1)
    train_mode(model)
    return model


def gradients(model: Any, dtype: torch.dtype) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """Outputs of both towers on fixed inputs, and the gradients of all that is trained."""
    generator = torch.Generator().manual_seed(1)
    tokens = torch.randint(1, 98, (3, 16), generator=generator)
    tokens[:, -1] = 99
    pixels = torch.randn((3, 3, SIZE_PX, SIZE_PX), generator=generator)
    torch.manual_seed(2)
    with torch.autocast("cpu", dtype=dtype, enabled=dtype != torch.float32):
        text, image = text_tower(model).encode(tokens), model.encode_image(pixels)
    out = torch.stack([text.float(), image.float()])
    trained = [item for item in model.parameters() if item.requires_grad]
    return out, [*torch.autograd.grad(out.square().sum(), trained)]


@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("dtype", [torch.float32, HALF])
@pytest.mark.parametrize("name", ["clip-vit", "clip-resnet", "timm-vit-bert"])
def test_numbers_are_those_of_weights_cast_at_every_call(
    name: str, dtype: torch.dtype, dropout: float, tmp_path: Path
) -> None:
    model = adapted(name, tmp_path, dropout)
    out, expected = gradients(model, dtype)
    weights = StepWeights(model, dtype)
    for _ in range(2):
        with weights.held():
            held, found = gradients(model, dtype)
        # The attention of the text tower is told that its mask is causal.
        torch.testing.assert_close(
            held, out, rtol=1e-5 if dtype == torch.float32 else 0.02, atol=1e-5
        )
        for one, other in zip(found, expected, strict=True):
            assert one.dtype == torch.float32
            gap = (one - other).norm() / other.norm().clamp(min=1e-6)
            assert gap < (1e-5 if dtype == torch.float32 else 0.02)


def test_weights_are_let_go_after_the_step(tmp_path: Path) -> None:
    model = adapted("clip-vit", tmp_path)
    merged = merged_state_dict(model)
    layers = [m for m in model.modules() if isinstance(m, LowRankLinear | LowRankAttention)]
    weights = StepWeights(model, HALF)
    held = []

    def fail() -> None:
        with weights.held():
            held.extend(layer.held.weights for layer in layers)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert all(item.weight.dtype == item.second.dtype == HALF for item in held if item)
    assert len([item for item in held if item]) == len(layers) > 0
    assert not any(layer.held.weights for layer in layers)
    after = merged_state_dict(model)
    assert all(torch.equal(merged[name], after[name]) for name in merged)


def test_weights_follow_the_factors(tmp_path: Path) -> None:
    model = adapted("clip-vit", tmp_path)
    weights = StepWeights(model, HALF)
    with weights.held():
        before, _ = gradients(model, HALF)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if ".lora_B." in name:
                parameter.mul_(2)
    with weights.held():
        after, _ = gradients(model, HALF)
    assert (before - after).abs().max() > 1e-2


def test_only_an_upper_left_square_of_the_known_mask_is_causal(tmp_path: Path) -> None:
    model = adapted("clip-vit", tmp_path)
    StepWeights(model, torch.float32)
    layer = next(m for m in model.transformer.modules() if isinstance(m, LowRankAttention))
    mask = model.attn_mask
    assert layer._is_causal(mask)
    assert layer._is_causal(mask[:5, :5])
    others = (mask[:5, :4], mask[1:5, 1:5], mask.clone(), mask.T, None)
    assert [layer._is_causal(other) for other in others] == [False] * 5


def test_a_mask_that_is_not_causal_is_kept(tmp_path: Path) -> None:
    model = adapted("clip-vit", tmp_path)
    model.attn_mask[0, 1] = 0.0
    StepWeights(model, torch.float32)
    layer = next(m for m in model.transformer.modules() if isinstance(m, LowRankAttention))
    assert not layer._is_causal(model.attn_mask)
