"""Input directions of adapters that are fixed before training.

An adapter changes a layer's output by B A x. With a fixed A, inputs x orthogonal to its rows leave
the layer unchanged, so A decides which inputs training can affect. All choices here are computed
from the same statistics: the moments of the layer's inputs, of safe items and of unsafe ones. The
two need no pairing, and their numbers may differ.

`contrast` is ours: contrastive PCA (Abid et al., 2018) as a generalised eigenproblem. Its
directions are the leading solutions of

    U x = m (S + ridge * mean(diag S) * I) x

where S is the covariance of the safe inputs, and U the mean outer product of the unsafe ones about
the safe mean. The others are what earlier work chooses, for comparison:

- LoRA-FA (arXiv 2308.03303) draws A at random.
- LoRA-Null (arXiv 2503.02659) takes the null space of the preserved inputs; it never sees the
  inputs that training is for.
- CorDA (arXiv 2406.05223), which preserves knowledge, takes the least singular directions of W C,
  with C the second moment of the preserved inputs; it does not see the others either.
- SC-LoRA (arXiv 2505.23724) contrasts both as we do, but as a difference of second moments instead
  of a ratio, and in the layer's outputs: it chooses B, and A follows from W.

LoRA-FA keeps A. The other three start training there and also change A; LoRA-Null preserves more
with A frozen. Here A stays in every choice, so the pretrained weight need not be split.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

import torch

Tensor = torch.Tensor

_CORDA_DAMPING = 0.01  # share of the mean of C's diagonal, as in peft


class Directions(enum.StrEnum):
    """Choice of the fixed directions."""

    CONTRAST = "contrast"
    """Leading directions of unsafe inputs relative to the safe ones (ours)."""
    RANDOM = "random"
    """Uniformly random ones (LoRA-FA, but orthonormal)."""
    NULL = "null"
    """Those with the least safe inputs (LoRA-Null)."""
    UNWHITENED = "unwhitened"
    """Leading directions of unsafe inputs about the safe mean; an ablation of contrast."""
    CORDA = "corda"
    """Row space of CorDA's adapters in its knowledge-preserved mode."""
    SC_LORA = "sc-lora"
    """Row space of SC-LoRA's adapters."""


class Moments:
    """Mean and second moments of input rows `[d]`, added up about a pivot near their mean.

    The pivot avoids cancellation: some inputs of transformers have means far above their spread.
    """

    def __init__(self, pivot: Tensor) -> None:
        """`pivot` `[d]` decides the device; sums are in single precision."""
        self.items = 0
        """Number of captions or images, each of one position or more."""
        self._positions = 0
        self._pivot = pivot.float()
        self._total = torch.zeros_like(self._pivot)
        self._square = torch.zeros(2 * self._pivot.shape, device=pivot.device)

    def add(self, rows: Tensor, items: int) -> None:
        """Add the rows `[n, d]` of some items."""
        rows = rows.float() - self._pivot
        self.items += items
        self._positions += len(rows)
        self._total += rows.sum(0)
        self._square.addmm_(rows.T, rows)

    @property
    def mean(self) -> Tensor:
        """Mean row `[d]`."""
        return self._pivot + self._total / self._positions

    def about(self, centre: Tensor) -> Tensor:
        """Mean outer product `[d, d]` of the rows, less a centre `[d]`."""
        shift = centre - self._pivot
        cross = torch.outer(self._total / self._positions, shift)
        return self._square / self._positions - cross - cross.T + torch.outer(shift, shift)


@dataclass(frozen=True, kw_only=True)
class LayerInputs:
    """What is known of a layer's inputs."""

    safe: Moments
    unsafe: Moments
    weight: Tensor
    """The layer's frozen weight as a matrix `[out, d]`."""


def directions(
    inputs: LayerInputs,
    count: int,
    *,
    ridge: float,
    kind: Directions = Directions.CONTRAST,
    beta: float = 0.5,
) -> Tensor:
    """Orthonormal rows `[count, d]`; with `contrast`, the leading one first.

    `ridge` is of `contrast`: the higher, the less directions count that are rare in safe inputs.
    `beta`, between 0 and 1, is of `sc-lora`: the higher, the more it preserves.
    """
    safe, unsafe = inputs.safe, inputs.unsafe
    if kind is Directions.CONTRAST:
        return _contrast(unsafe.about(safe.mean), safe.about(safe.mean), count, ridge)
    if kind is Directions.UNWHITENED:
        return _leading(unsafe.about(safe.mean), count)
    if kind is Directions.RANDOM:
        return _orthonormal(torch.randn(count, len(safe.mean), device=safe.mean.device))
    origin = torch.zeros_like(safe.mean)
    if kind is Directions.NULL:
        return _leading(-safe.about(origin), count)
    weight = inputs.weight.float()
    if kind is Directions.CORDA:
        return _corda(weight, safe.about(origin), count)
    difference = (1 - beta) * unsafe.about(origin) - beta * safe.about(origin)
    return _orthonormal(_leading(weight @ difference @ weight.T, count) @ weight)


def _contrast(unsafe: Tensor, safe: Tensor, count: int, ridge: float) -> Tensor:
    """Leading solutions, by the Cholesky factor of the safe side."""
    floor = ridge * safe.diagonal().mean().clamp(min=torch.finfo(safe.dtype).tiny)
    factor = torch.linalg.cholesky(safe + floor * torch.eye(len(safe), device=safe.device))
    half = torch.linalg.solve_triangular(factor, unsafe, upper=False)
    whitened = torch.linalg.solve_triangular(factor, half.T, upper=False)
    leading = _leading((whitened + whitened.T) / 2, count)
    return _orthonormal(torch.linalg.solve_triangular(factor.T, leading.T, upper=True).T)


def _corda(weight: Tensor, second: Tensor, count: int) -> Tensor:
    """Row space of the least components of W C, brought back by the inverse of C."""
    damping = _CORDA_DAMPING * second.diagonal().mean()
    damped = second + damping * torch.eye(len(second), device=second.device)
    least = torch.linalg.svd(weight @ damped, full_matrices=False)[2][-count:]
    return _orthonormal(torch.linalg.solve(damped, least.T).T)


def _leading(matrix: Tensor, count: int) -> Tensor:
    """Eigenvectors `[count, d]` of the largest eigenvalues, in descending order."""
    vectors: Tensor = torch.linalg.eigh(matrix)[1]
    return vectors[:, -count:].flip(1).T


def _orthonormal(rows: Tensor) -> Tensor:
    """Orthonormal rows with the same span; the first k have the span of the first k."""
    span: Tensor = torch.linalg.qr(rows.T)[0]
    return span.T
