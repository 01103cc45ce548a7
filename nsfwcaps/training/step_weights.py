"""Weights of adapted layers in the compute precision, made once instead of at every call.

Autocast casts weights at every call, and remembers only those that are trained. Frozen weights are
cast once here: the same numbers, in memory that a backward pass would hold anyway. The factors of
all updates are cast together at the start of a step, as one tensor, and their gradients are cast
back as one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from nsfwcaps.training.fused import LinearWeights
from nsfwcaps.training.low_rank import ADAPTER, LowRankAttention, LowRankLinear

Tensor = torch.Tensor


class StepWeights:
    """The adapted linear layers and attention of a model, and their weights during a step."""

    def __init__(self, model: nn.Module, dtype: torch.dtype) -> None:
        """Cast the frozen weights; the model must be adapted and on its device.

        dtype is the compute precision: that of autocast, or single precision.
        """
        kinds = LowRankLinear | LowRankAttention
        self._layers: list[Any] = [m for m in model.modules() if isinstance(m, kinds)]
        self._dtype = dtype
        self._frozen = [_frozen(layer, dtype) for layer in self._layers]
        self._factors = [
            factor[ADAPTER].weight for m in self._layers for factor in (m.lora_A, m.lora_B)
        ]
        self._sizes = [factor.numel() for factor in self._factors]
        mask = _causal_mask(model)
        for layer in self._layers:
            layer.held.causal_mask = mask

    @contextmanager
    def held(self) -> Iterator[None]:
        """Use these weights in all calls of the model; gradients reach the factors."""
        factors = iter(self._cast_factors())
        try:
            for layer, (weight, bias) in zip(self._layers, self._frozen, strict=True):
                layer.held.weights = LinearWeights(weight, bias, next(factors), next(factors))
            yield
        finally:
            for layer in self._layers:
                layer.held.weights = None

    def _cast_factors(self) -> list[Tensor]:
        if not self._factors or self._dtype == torch.float32:
            return list(self._factors)
        flat = torch.cat([factor.view(-1) for factor in self._factors]).to(self._dtype)
        parts = zip(torch.split(flat, self._sizes), self._factors, strict=True)
        return [part.view_as(factor) for part, factor in parts]


def _frozen(layer: Any, dtype: torch.dtype) -> tuple[Tensor, Tensor | None]:
    """The frozen weight and bias of a layer in the compute precision."""
    base = layer.get_base_layer()
    fused = isinstance(layer, LowRankAttention)
    weight, bias = (getattr(base, f"in_proj_{n}" if fused else n) for n in ("weight", "bias"))
    return weight.detach().to(dtype), None if bias is None else bias.detach().to(dtype)


def _causal_mask(model: Any) -> Tensor | None:
    """The mask of a text tower of open_clip if it is causal: attention needs no mask then."""
    mask = getattr(getattr(model, "text", model), "attn_mask", None)
    if not isinstance(mask, torch.Tensor) or mask.dim() != 2:
        return None
    causal = torch.full_like(mask, -torch.inf).triu(1)
    return mask if torch.equal(mask, causal) else None
