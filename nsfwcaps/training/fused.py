"""A frozen linear layer and its low-rank update as one differentiable function.

As separate operators, autograd sees casts, reshapes, products and a sum, and a GPU waits for the
launch of each. Here a call is three products forward, and at most five backward; none is of a
gradient of the frozen weight.

The sum of both weights, formed once a step, would be one product a call. But in half precision it
rounds the update away: bfloat16 numbers near 0.02 are 1.2e-4 apart, and an update grows from zero.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import torch
from torch.autograd.function import once_differentiable

Tensor = torch.Tensor


class LinearWeights(NamedTuple):
    """Weights of a linear layer and the factors of its update, all of one dtype."""

    weight: Tensor  # [out, in]
    bias: Tensor | None  # [out]
    first: Tensor  # [r, in]
    second: Tensor  # [out, r]


def adapted_linear(states: Tensor, weights: LinearWeights, scaling: float) -> Tensor:
    """States `[..., in]` times the frozen weight plus the scaled update, `[..., out]`.

    Everything is computed in the dtype of the weights; states may have another. Weight and bias get
    no gradient.
    """
    return cast(Tensor, _AdaptedLinear.apply(states, *weights, scaling))


class _AdaptedLinear(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        states: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        first: Tensor,
        second: Tensor,
        scaling: float,
    ) -> Tensor:
        rows = states.reshape(-1, states.shape[-1]).to(weight.dtype)  # [n, in]
        out = rows.mm(weight.t()) if bias is None else torch.addmm(bias, rows, weight.t())
        low = rows.mm(first.t())  # [n, r]
        out.addmm_(low, second.t(), alpha=scaling)
        ctx.save_for_backward(rows, low, weight, first, second)
        ctx.scaling, ctx.shape, ctx.dtype = scaling, states.shape, states.dtype
        return out.view(*states.shape[:-1], len(weight))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        rows, low, weight, first, second = ctx.saved_tensors
        scaling = ctx.scaling
        of_states, of_first, of_second = (ctx.needs_input_grad[n] for n in (0, 3, 4))
        gradient = gradient.reshape(-1, len(weight))  # [n, out]
        states_gradient = first_gradient = second_gradient = None
        if of_states or of_first:
            low_gradient = gradient.mm(second)  # [n, r], not scaled yet
        if of_states:
            states_gradient = gradient.mm(weight).addmm_(low_gradient, first, alpha=scaling)
            states_gradient = states_gradient.view(ctx.shape).to(ctx.dtype)
        # beta=0 ignores the first argument, and alpha costs no launch.
        if of_first:
            first_gradient = torch.addmm(first, low_gradient.t(), rows, beta=0, alpha=scaling)
        if of_second:
            second_gradient = torch.addmm(second, gradient.t(), low, beta=0, alpha=scaling)
        return states_gradient, None, None, first_gradient, second_gradient, None
