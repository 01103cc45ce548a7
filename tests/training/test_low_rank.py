"""Updates that go past the weight are those of the weight that includes them."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from nsfwcaps.training.adapters import Adaptation, LayerKind, adapt, merged_state_dict

WIDTH, HEADS, TOKENS = 12, 3, 5


class Model(nn.Module):
    """One layer, named as in an image tower."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.visual = nn.ModuleDict({"attn": layer})


def adapted(layer: nn.Module) -> tuple[Any, Any]:
    """The layer with an update that is not zero, and a plain one whose weights include it."""
    torch.manual_seed(0)
    model: Any = Model(layer.eval())
    plain = Model(type_like(layer)).eval()
    adapt(model, Adaptation(rank=2, alpha=6, text=False, image_targets=(LayerKind.ATTENTION,)))
    for name, parameter in model.named_parameters():
        if ".lora_B." in name:
            nn.init.normal_(parameter, std=0.2)
    plain.load_state_dict(merged_state_dict(model))
    return model.visual["attn"], plain.visual["attn"]


def type_like(layer: nn.Module) -> nn.Module:
    if isinstance(layer, nn.MultiheadAttention):
        return nn.MultiheadAttention(
            WIDTH,
            HEADS,
            batch_first=layer.batch_first,
            bias=layer.in_proj_bias is not None,
            add_bias_kv=layer.bias_k is not None,
            add_zero_attn=layer.add_zero_attn,
        )
    return nn.Linear(WIDTH, TOKENS, bias=layer.bias is not None)


def states(requires_grad: bool = False) -> torch.Tensor:
    torch.manual_seed(1)
    return torch.randn(TOKENS, TOKENS, WIDTH, requires_grad=requires_grad)


CAUSAL = torch.full((TOKENS, TOKENS), -torch.inf).triu(1)
PADDING = torch.arange(TOKENS) >= torch.arange(1, TOKENS + 1)[:, None]

ASKED: dict[str, dict[str, Any]] = {
    "alone": {"need_weights": False},
    "added mask": {"need_weights": False, "attn_mask": CAUSAL},
    "mask by head": {"need_weights": False, "attn_mask": CAUSAL.expand(TOKENS * HEADS, -1, -1)},
    "mask of flags": {"need_weights": False, "attn_mask": CAUSAL < 0},
    "causal hint": {"need_weights": False, "attn_mask": CAUSAL, "is_causal": True},
    "padding": {"need_weights": False, "key_padding_mask": PADDING},
    "weights": {"need_weights": True},
}


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("options", [{}, {"bias": False}, {"add_bias_kv": True}])
def test_attention_is_that_of_the_merged_weights(
    asked: str, batch_first: bool, options: dict[str, Any]
) -> None:
    if options.get("add_bias_kv") and asked == "mask by head":
        pytest.skip("torch itself cannot extend such a mask")
    layer, plain = adapted(nn.MultiheadAttention(WIDTH, HEADS, batch_first=batch_first, **options))
    x = states()
    out, weights = layer(x, x, x, **ASKED[asked])
    expected, expected_weights = plain(x, x, x, **ASKED[asked])
    torch.testing.assert_close(out, expected)
    assert (weights is None) == (expected_weights is None)
    if weights is not None:
        torch.testing.assert_close(weights, expected_weights)


def test_attention_to_another_is_that_of_the_merged_weights() -> None:
    layer, plain = adapted(nn.MultiheadAttention(WIDTH, HEADS, batch_first=True))
    query, others = states()[:, :2], states()
    out, _ = layer(query, others, others, need_weights=False)
    torch.testing.assert_close(out, plain(query, others, others, need_weights=False)[0])


@pytest.mark.parametrize("kind", ["attention", "linear"])
def test_gradients_are_those_through_a_merged_weight(kind: str) -> None:
    attention = kind == "attention"
    layer, _ = adapted(
        nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
        if attention
        else nn.Linear(WIDTH, TOKENS)
    )
    x = states(requires_grad=True)
    trained = [item for item in layer.parameters() if item.requires_grad]
    if attention:
        past = layer(x, x, x, need_weights=False)[0]
        through = layer(x, x, x, need_weights=True)[0]
    else:
        past = layer(x)
        through = nn.functional.linear(x, layer.weight, layer.get_base_layer().bias)
    found, expected = (
        torch.autograd.grad(out.square().sum(), [x, *trained]) for out in (past, through)
    )
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_a_step_keeps_no_weight_of_attention() -> None:
    layer, _ = adapted(nn.MultiheadAttention(WIDTH, HEADS, batch_first=True))
    own = {item.untyped_storage().data_ptr() for item in layer.parameters()}
    kept = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.untyped_storage().data_ptr() not in own:
            kept.append(tuple(tensor.shape))
        return tensor

    x = states()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        layer(x, x, x, need_weights=False)
    assert kept
    assert not {(3 * WIDTH, WIDTH), (WIDTH, 3 * WIDTH)} & set(kept)


def test_a_model_in_half_precision_has_updates_in_single() -> None:
    layer, plain = adapted(nn.MultiheadAttention(WIDTH, HEADS, batch_first=True).bfloat16())
    assert layer.lora_A["default"].weight.dtype == torch.float32
    x = states().bfloat16()
    out, _ = layer(x, x, x, need_weights=False)
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(
        out.float(), plain(x.float(), x.float(), x.float())[0], rtol=0.05, atol=0.05
    )


def test_autocast_decides_the_precision() -> None:
    layer, plain = adapted(nn.MultiheadAttention(WIDTH, HEADS, batch_first=True))
    x = states()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out, _ = layer(x, x, x, need_weights=False, attn_mask=CAUSAL)
        expected, _ = plain(x, x, x, need_weights=False, attn_mask=CAUSAL)
    assert out.dtype == torch.bfloat16
    torch.testing.assert_close(out.float(), expected.float(), rtol=0.05, atol=0.05)
