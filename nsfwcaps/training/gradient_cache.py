"""Gradient cache: gradients of a full batch in the memory of a part of it.

The losses compare rows within the batch, so the losses of its parts do not add up to that of the
batch. All parts are first embedded without a graph, and the loss yields a gradient for each row.
Then each part is embedded again, and the gradients of its rows are back-propagated to the weights
(Gao et al. 2021, "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup").
"""

from __future__ import annotations

from collections.abc import Callable

import torch

Tensor = torch.Tensor

Embed = Callable[[int], Tensor]
"""Number of a part to its rows `[..., b, d]`; deterministic, dropout included."""


def cached_rows(embed: Embed, parts: int) -> Tensor:
    """Rows `[..., n, d]` of all parts as a leaf tensor, which collects their gradient."""
    with torch.no_grad():
        rows = torch.cat([embed(part) for part in range(parts)], dim=-2)
    return rows.requires_grad_()


def backward_parts(embed: Embed, parts: int, gradient: Tensor) -> None:
    """Back-propagate the gradient `[..., n, d]` of all rows to the weights, part by part."""
    start = 0
    for part in range(parts):
        rows = embed(part)
        end = start + rows.shape[-2]
        rows.backward(gradient[..., start:end, :])  # type: ignore[no-untyped-call]
        start = end
