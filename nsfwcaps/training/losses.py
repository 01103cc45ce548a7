"""Loss terms of SafeR-CLIP, Safe-CLIP and SAGE, as pure functions on unit rows.

Every argument is a batch of unit-length rows `[n, d]`; row i belongs to pair i. Rows of the frozen
reference must not require a gradient. Each function returns the mean over the batch, a scalar in
single precision, regardless of the precision of its rows.
"""

from __future__ import annotations

import torch
from torch.nn import functional

Tensor = torch.Tensor


def cosines(one: Tensor, other: Tensor) -> Tensor:
    """Cosine `[n]` between corresponding rows, in single precision."""
    return (one.float() * other.float()).sum(dim=-1)


def uni_modal(embedding: Tensor, target: Tensor) -> Tensor:
    """Distance to a target in the same modality: mean of 1 - cos.

    Redirection from an unsafe item to a safe target (SafeR-CLIP, form inferred; Safe-CLIP eq. 3),
    or preservation if both are the same safe item.
    """
    return (1 - cosines(embedding, target)).mean()


def relative_redirection(embedding: Tensor, unsafe: Tensor, target: Tensor) -> Tensor:
    """Relative cross-modal redirection of SafeR-CLIP (arXiv 2511.16743).

    mean of log(1 + exp(cos(embedding, unsafe) - cos(embedding, target))): pulls the embedding of an
    unsafe item closer to the safe target than to its own unsafe counterpart. Both are frozen and of
    the other modality. The counterpart is the only negative.
    """
    return functional.softplus(cosines(embedding, unsafe) - cosines(embedding, target)).mean()


def info_nce(embedding: Tensor, reference: Tensor, *, scale: float | Tensor) -> Tensor:
    """Symmetric InfoNCE: row i of each side must retrieve row i of the other from the batch.

    Cross-modal preservation if both sides are safe items (SafeR-CLIP, Safe-CLIP eq. 5), or
    redirection if the embedding is of an unsafe item (Safe-CLIP eq. 4).
    """
    # Autocast would multiply in half precision; logits near 100 would be off by 0.25.
    with torch.autocast(embedding.device.type, enabled=False):
        logits = scale * (embedding.float() @ reference.float().T)  # [n, n]
    own = torch.arange(len(logits), device=logits.device)
    return (functional.cross_entropy(logits, own) + functional.cross_entropy(logits.T, own)) / 2


def spread_loss(embedding: Tensor, reference: Tensor) -> Tensor:
    """Lost share of the batch's spread; zero if it has grown (SAGE, arXiv 2607.00402).

    Spread is one minus the squared length of the mean row, which is half the mean squared distance
    between two rows. One-sided as in SAGE; the form is inferred.
    """
    return functional.relu(1 - _spread(embedding) / _spread(reference))


def neighbour_loss(embedding: Tensor, reference: Tensor, *, neighbours: int = 15) -> Tensor:
    """Mean squared change of each row's cosines to its nearest rows of the batch (SAGE, inferred).

    Neighbours are those in the reference; in a small batch, all other rows are neighbours.
    """
    with torch.autocast(embedding.device.type, enabled=False):
        before, after = (rows.float() @ rows.float().T for rows in (reference, embedding))
    own = torch.eye(len(before), dtype=torch.bool, device=before.device)
    count = min(neighbours, len(before) - 1)
    nearest = before.masked_fill(own, -torch.inf).topk(count, dim=1).indices  # [n, k]
    return (after.gather(1, nearest) - before.gather(1, nearest)).pow(2).mean()


def _spread(rows: Tensor) -> Tensor:
    tiny = torch.finfo(torch.float32).eps
    return (1 - rows.float().mean(dim=0).pow(2).sum()).clamp(min=tiny)
