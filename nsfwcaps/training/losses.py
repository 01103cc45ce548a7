"""Terms of the objectives of SafeR-CLIP, Safe-CLIP and SAGE, each a pure function on unit rows.

Every argument is a batch of rows `[n, d]` at length one; row i of each belongs to pair i. Whatever
comes from the frozen reference must not require a gradient. Each function returns a scalar in
single precision, the mean over the batch, whatever precision its rows have.
"""

from __future__ import annotations

import torch
from torch.nn import functional

Tensor = torch.Tensor


def cosines(one: Tensor, other: Tensor) -> Tensor:
    """Cosine `[n]` of each row with its counterpart, in single precision."""
    return (one.float() * other.float()).sum(dim=-1)


def uni_modal(embedding: Tensor, target: Tensor) -> Tensor:
    """Distance to a target in the same modality: mean of 1 - cos.

    Redirection where the embedding is of an unsafe item and the target of a safe one (SafeR-CLIP,
    form inferred; Safe-CLIP eq. 3); preservation where both are of the same safe item.
    """
    return (1 - cosines(embedding, target)).mean()


def relative_redirection(embedding: Tensor, unsafe: Tensor, target: Tensor) -> Tensor:
    """Relative cross-modal redirection of SafeR-CLIP (arXiv 2511.16743).

    mean of log(1 + exp(cos(embedding, unsafe) - cos(embedding, target))): the embedding of an
    unsafe item should be closer to the safe target than to the unsafe item it is paired with, both
    of the other modality and frozen. The only negative is that item.
    """
    return functional.softplus(cosines(embedding, unsafe) - cosines(embedding, target)).mean()


def info_nce(embedding: Tensor, reference: Tensor, *, scale: float | Tensor) -> Tensor:
    """Symmetric InfoNCE: row i of each side must find row i of the other in the batch.

    Preservation across modalities where both are of safe items (SafeR-CLIP, Safe-CLIP eq. 5), and
    redirection where the embedding is of an unsafe item (Safe-CLIP eq. 4).
    """
    # Autocast would multiply in half precision whatever the rows have, and be 0.25 off at 100.
    with torch.autocast(embedding.device.type, enabled=False):
        logits = scale * (embedding.float() @ reference.float().T)  # [n, n]
    own = torch.arange(len(logits), device=logits.device)
    return (functional.cross_entropy(logits, own) + functional.cross_entropy(logits.T, own)) / 2


def spread_loss(embedding: Tensor, reference: Tensor) -> Tensor:
    """Share of the batch's spread that was lost; none where it has grown (SAGE, arXiv 2607.00402).

    Spread is one minus the squared length of the mean row: half the mean squared distance of two
    rows. One-sided, as SAGE has it; the form is inferred.
    """
    return functional.relu(1 - _spread(embedding) / _spread(reference))


def neighbour_loss(embedding: Tensor, reference: Tensor, *, neighbours: int = 15) -> Tensor:
    """Mean squared change of each row's cosines to its nearest rows of the batch (SAGE, inferred).

    Nearest is meant in the reference; a batch with fewer rows has all of them as neighbours.
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
