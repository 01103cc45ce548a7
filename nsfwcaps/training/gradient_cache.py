"""Gradients of a whole batch in the memory of a part of it: the gradient cache.

The losses compare rows within the batch, so those of its parts do not add up to that of the whole.
Here all parts are embedded without a graph, the loss gives each row its gradient, and then one part
after the other is embedded again and takes the gradients of its rows back to the weights (Gao et
al. 2021, "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup").
"""

from __future__ import annotations

from collections.abc import Callable

import torch

Tensor = torch.Tensor

Embed = Callable[[int], Tensor]
"""Number of a part to its rows `[..., b, d]`: the same rows each time, dropout included."""


def cached_rows(embed: Embed, parts: int) -> Tensor:
    """Rows `[..., n, d]` of all parts, as a leaf: a backward pass leaves their gradient there."""
    with torch.no_grad():
        rows = torch.cat([embed(part) for part in range(parts)], dim=-2)
    return rows.requires_grad_()


def backward_parts(embed: Embed, parts: int, gradient: Tensor) -> None:
    """Add to the weights' gradients what the gradient `[..., n, d]` of all rows makes of them."""
    start = 0
    for part in range(parts):
        rows = embed(part)
        end = start + rows.shape[-2]
        rows.backward(gradient[..., start:end, :])  # type: ignore[no-untyped-call]
        start = end
