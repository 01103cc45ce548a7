"""Layers of `peft` for weights that a model reads instead of calling the layer that owns them.

Fused kernels (`nn.MultiheadAttention`, the attention pool of CLIP's ResNets, EVA) read `weight` of
their projections and never call them. An adapter that only acts in `forward` is silently dead
there. Here the weight that is read holds the update, so it is alive either way.

peft's own layer for fused attention adds the update to the frozen weight before every forward and
subtracts it after, and rounding moves the frozen weight a little each time. Nothing is written to
frozen weights here.
"""

from __future__ import annotations

import math
from typing import Any, cast

import torch
from peft.tuners.lora import Linear, LoraLayer
from torch import nn
from torch.func import functional_call

ADAPTER = "default"
"""peft's name of the one adapter; it is a part of the names of its tensors."""

Tensor = torch.Tensor


class LowRankLinear(Linear):
    """peft's LoRA of a linear layer, whose `weight` includes the update for those who read it."""

    adapted = "weight"

    @property
    def weight(self) -> Tensor:
        """Adapted weight `[out, in]`; gradients reach the adapter through it."""
        frozen = cast(Tensor, self.get_base_layer().weight)
        return frozen + self.get_delta_weight(ADAPTER).to(frozen.dtype)


class LowRankWeight(nn.Module, LoraLayer):
    """LoRA of one weight `[out, ...]` taken as a matrix `[out, rest]`, for any layer that uses it.

    For a convolution this equals peft's, and it also covers depthwise and dilated ones, which peft
    refuses. The rank is at most that of the matrix: a depthwise 3 x 3 kernel has 9 columns. No
    input passes through the adapter, so it has no dropout.
    """

    adapted = "weight"

    def __init__(
        self, base_layer: nn.Module, adapter_name: str, r: int, lora_alpha: float, **_: Any
    ) -> None:
        nn.Module.__init__(self)
        LoraLayer.__init__(self, base_layer)
        weight = self._frozen()
        self.out_features, self.in_features = len(weight), math.prod(weight.shape[1:])
        rank = min(r, self.out_features, self.in_features)
        self.r[adapter_name], self.lora_alpha[adapter_name] = rank, lora_alpha
        self.scaling[adapter_name] = lora_alpha / r
        self.lora_dropout[adapter_name] = nn.Identity()
        first = nn.Linear(self.in_features, rank, bias=False)
        second = nn.Linear(rank, self.out_features, bias=False)
        nn.init.kaiming_uniform_(first.weight, a=math.sqrt(5))
        nn.init.zeros_(second.weight)
        self.lora_A[adapter_name] = first.to(weight.device)
        self.lora_B[adapter_name] = second.to(weight.device)
        self._active_adapter = adapter_name
        self.set_adapter(self.active_adapters)

    def get_delta_weight(self, adapter: str) -> Tensor:
        """Update of the weight, in its shape."""
        first, second = (factor[adapter].weight for factor in (self.lora_A, self.lora_B))
        update = cast(Tensor, second) @ cast(Tensor, first)
        return (update * float(self.scaling[adapter])).view(self._frozen().shape)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the frozen layer returns when its weight includes the update."""
        frozen = self._frozen()
        weight = frozen + self.get_delta_weight(ADAPTER).to(frozen.dtype)
        return functional_call(self.base_layer, {self.adapted: weight}, args, kwargs)

    def _frozen(self) -> Tensor:
        return cast(Tensor, getattr(self.get_base_layer(), self.adapted))


class LowRankAttention(LowRankWeight):
    """LoRA of fused attention: the stacked projections `[3 d, d]` as one matrix, and the output's.

    Queries, keys and values share the adapter's first factor.
    """

    adapted = "in_proj_weight"

    def __init__(
        self, base_layer: nn.MultiheadAttention, adapter_name: str, **options: Any
    ) -> None:
        super().__init__(base_layer, adapter_name, **options)
        projection = LowRankLinear(base_layer.out_proj, adapter_name, **options)
        base_layer.register_module("out_proj", projection)
