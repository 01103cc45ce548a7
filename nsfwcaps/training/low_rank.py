"""`peft` layers for weights that a model reads directly, without calling the layer.

Fused kernels (`nn.MultiheadAttention`, the attention pool of CLIP's ResNets, EVA) read the `weight`
of their projections and never call them. An adapter that only acts in `forward` silently has no
effect there. Here `weight` itself includes the update.

peft's own layer for fused attention adds the update to the frozen weight before every forward pass
and subtracts it afterwards, so rounding errors accumulate. Here frozen weights are never written.

Where a layer is called, its product and its update are one function (`training.fused`), in the
precision that autocast asks for. Within a step, all weights come from `training.step_weights`.
"""

from __future__ import annotations

import math
from typing import Any, cast

import torch
from peft.tuners.lora import Linear, LoraLayer
from torch import nn
from torch.func import functional_call
from torch.nn import functional

from nsfwcaps.training.fused import LinearWeights, adapted_linear

ADAPTER = "default"
"""peft's name of the only adapter; part of its tensors' names."""

Tensor = torch.Tensor


class Held:
    """What a layer uses for the time of a step, instead of weights that it casts at each call."""

    def __init__(self) -> None:
        self.weights: LinearWeights | None = None
        self.causal_mask: Tensor | None = None
        """A mask `[n, n]` whose upper left squares let no position see a later one."""


class LowRankLinear(Linear):
    """peft's LoRA of a linear layer, with the update included in `weight`."""

    adapted = "weight"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.held = Held()

    @property
    def weight(self) -> Tensor:
        """Adapted weight `[out, in]`, differentiable in the adapter."""
        frozen = cast(Tensor, self.get_base_layer().weight)
        return frozen + self.get_delta_weight(ADAPTER).to(frozen.dtype)

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """Output `[..., out]` of the frozen layer plus the update."""
        dropout = self.lora_dropout[ADAPTER]
        if isinstance(dropout, nn.Identity) or not dropout.training:
            return _output(self, x)
        rows = x.reshape(-1, x.shape[-1])
        out = _add_update(self.get_base_layer()(rows), dropout(rows), self)
        return out.view(*x.shape[:-1], out.shape[-1])


class LowRankWeight(nn.Module, LoraLayer):
    """LoRA of one weight `[out, ...]` viewed as a matrix `[out, rest]`, for any layer.

    For convolutions this equals peft's, but also supports depthwise and dilated ones. The rank is
    limited by the matrix: a depthwise 3 x 3 kernel has 9 columns. The adapter does not see the
    input, so it has no dropout.
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
        """Update of the weight, in the weight's shape."""
        first, second = (factor[adapter].weight for factor in (self.lora_A, self.lora_B))
        update = cast(Tensor, second) @ cast(Tensor, first)
        return (update * float(self.scaling[adapter])).view(self._frozen().shape)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Output of the layer with the updated weight."""
        frozen = self._frozen()
        weight = frozen + self.get_delta_weight(ADAPTER).to(frozen.dtype)
        if type(self.base_layer) is nn.Conv2d:  # what its forward does, without a detour
            return self.base_layer._conv_forward(args[0], weight, self.base_layer.bias)
        return functional_call(self.base_layer, {self.adapted: weight}, args, kwargs)

    def _frozen(self) -> Tensor:
        return cast(Tensor, getattr(self.get_base_layer(), self.adapted))


class LowRankAttention(LowRankWeight):
    """LoRA of fused attention: one for the stacked projections `[3 d, d]`, one for the output.

    Queries, keys and values share the factor A.
    """

    adapted = "in_proj_weight"

    def __init__(
        self, base_layer: nn.MultiheadAttention, adapter_name: str, **options: Any
    ) -> None:
        super().__init__(base_layer, adapter_name, **options)
        self.held = Held()
        projection = LowRankLinear(base_layer.out_proj, adapter_name, **options)
        base_layer.register_module("out_proj", projection)

    def forward(self, query: Tensor, key: Tensor, value: Tensor, **options: Any) -> Any:
        """Output of the layer with the updated weights."""
        if not (query is key is value and self._is_plain(query, **options)):
            return super().forward(query, key, value, **options)
        layer: Any = self.get_base_layer()
        states = query if layer.batch_first else query.transpose(0, 1)  # [b, t, d]
        stacked = _output(self, states, layer.in_proj_weight, layer.in_proj_bias)
        parts = stacked.view(*states.shape[:2], 3, layer.num_heads, -1).unbind(2)
        queries, keys, values = (part.transpose(1, 2) for part in parts)  # [b, heads, t, d / heads]
        mask = options.get("attn_mask")
        causal = self._is_causal(mask)
        mixed = functional.scaled_dot_product_attention(
            queries, keys, values, attn_mask=None if causal else mask, is_causal=causal
        )
        out = _output(layer.out_proj, mixed.transpose(1, 2).reshape(states.shape))
        return (out if layer.batch_first else out.transpose(0, 1)), None

    def _is_causal(self, mask: Tensor | None) -> bool:
        """Whether a mask is an upper left square of the mask that is known to be causal."""
        if torch.compiler.is_compiling():  # it cannot trace addresses, and would cut the tower
            return False
        whole = self.held.causal_mask
        return (
            whole is not None
            and mask is not None
            and mask.data_ptr() == whole.data_ptr()
            and mask.stride() == whole.stride()
            and mask.shape[0] == mask.shape[1]
        )

    def _is_plain(
        self,
        states: Tensor,
        *,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        key_padding_mask: Tensor | None = None,
        is_causal: bool = False,
        average_attn_weights: bool = True,
    ) -> bool:
        """Whether the call is plain self-attention of a batch, with at most an additive mask."""
        layer: Any = self.get_base_layer()
        adds = attn_mask is None or (attn_mask.dim() == 2 and attn_mask.is_floating_point())
        drops = layer.training and layer.dropout > 0
        extends = layer.bias_k is not None or layer.add_zero_attn
        more = need_weights or is_causal or key_padding_mask is not None
        return states.dim() == 3 and adds and not (drops or extends or more)


def _output(layer: Any, states: Tensor, weight: Any = None, bias: Tensor | None = None) -> Tensor:
    """Output `[..., out]` of a linear layer with its update; of its own weight if none is given."""
    held = layer.held.weights
    if held is not None:
        return adapted_linear(states, held, float(layer.scaling[ADAPTER]))
    if weight is None:
        base = layer.get_base_layer()
        weight, bias = base.weight, base.bias
    first, second = layer.lora_A[ADAPTER].weight, layer.lora_B[ADAPTER].weight
    kind = states.device.type
    autocast = torch.is_autocast_enabled(kind)
    dtype = torch.get_autocast_dtype(kind) if autocast else states.dtype
    if not autocast and weight.dtype != first.dtype:  # a half-precision model
        return _add_update(functional.linear(states, weight, bias), states, layer)
    cast_bias = None if bias is None else bias.to(dtype)
    own = LinearWeights(weight.to(dtype), cast_bias, first.to(dtype), second.to(dtype))
    return adapted_linear(states, own, float(layer.scaling[ADAPTER]))


def _add_update(frozen: Tensor, rows: Tensor, layer: Any) -> Tensor:
    """Add an adapter's output for rows `[..., in]` to the frozen layer's output `[..., out]`.

    For inputs that only the adapter drops, and for a model in half precision with adapters in
    single precision.
    """
    first, second = layer.lora_A[ADAPTER].weight, layer.lora_B[ADAPTER].weight
    scaling = float(layer.scaling[ADAPTER])
    # Without autocast, a half-precision model has adapters in single precision.
    low = functional.linear(layer._cast_input_dtype(rows, first.dtype), first)  # [n, r]
    if low.dtype != frozen.dtype:
        return frozen + (functional.linear(low, second) * scaling).to(frozen.dtype)
    # In place: a linear layer does not need its output for the backward pass.
    return frozen.addmm_(low, second.to(low.dtype).T, alpha=scaling)
