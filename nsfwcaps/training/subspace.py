"""Adapters that read only the directions that separate unsafe inputs from safe counterparts.

An adapter changes a layer's output by B A x. If A is trained, it also learns directions that safe
inputs use, and the updates along them degrade the model. Here A is fixed before training to the
directions x in which unsafe inputs differ most from their targets, relative to the variance of safe
inputs: the leading solutions of

    D x = m (C + ridge * mean(diag C) * I) x

where D is the mean outer product of those differences and C the covariance of the safe inputs. This
is Fisher's discriminant, with a ridge for directions that the pairs do not cover. Only B is
trained. Inputs orthogonal to these directions leave every adapted layer unchanged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from peft.tuners.lora import LoraLayer
from torch import nn
from torch.nn import functional

from nsfwcaps.enums import Tower
from nsfwcaps.errors import ConfigError
from nsfwcaps.progress import Progress
from nsfwcaps.runtime.processes import Processes
from nsfwcaps.training.adapters import tower_of
from nsfwcaps.training.inputs import Encoders, Inputs
from nsfwcaps.training.low_rank import ADAPTER

Tensor = torch.Tensor

Lengths = Callable[[Tensor], npt.NDArray[np.int64]]
"""Tokens `[b, t]` to their number without padding `[b]`."""

_PAIRS = 1024
"""Pairs to sample, evenly spaced: many times the number of directions of an adapter."""

# Length of the rows of LoRA's usual initialisation, uniform within 1 / sqrt(in).
_ROW_LENGTH = 3**-0.5


@dataclass(kw_only=True)
class _Seen:
    """Input statistics of a layer: sums over the safe inputs, and the pairs' differences."""

    positions: int = 0
    total: Tensor | float = 0.0  # [d]
    square: Tensor | float = 0.0  # [d, d]
    differences: list[Tensor] = field(default_factory=list)  # [b, d] each


def fix_inputs(
    encoders: Encoders,
    pairs: int,
    lengths: Lengths,
    *,
    ridge: float,
    batch_size: int,
    processes: Processes,
    progress: Progress,
) -> None:
    """Fix the adapters' inputs to the directions that separate the two sides of n pairs.

    `batch_size` counts images. All processes use the directions of the first one.

    Raises:
        ConfigError: there are fewer pairs than an adapter has directions.
    """
    count = min(pairs, _PAIRS)
    rows = np.arange(count) * pairs // max(count, 1)
    with progress.task("train: subspace", count, unit="pairs") as advance:

        def batches() -> Iterator[Inputs]:
            step = max(1, batch_size // 2)
            for start in range(0, count, step):
                part = rows[start : start + step]
                yield encoders.prepare(part)
                advance(len(part))

        read_differences(encoders, batches(), ridge=ridge, lengths=lengths)
    _agree(encoders.model, processes)


@torch.no_grad()
def read_differences(
    encoders: Encoders, batches: Iterable[Inputs], *, ridge: float, lengths: Lengths | None = None
) -> list[str]:
    """Fix the input directions of a model's adapters in place, and return the affected layers.

    `batches` hold pairs of unsafe items and their targets. `lengths` excludes text padding from the
    sums. The other adapters stay at their initialisation and have no effect. These are adapters of
    depthwise convolutions, whose input is a single channel, and of weights that fused kernels read
    (the output projection of fused attention), whose input is not observable.

    Needs one matrix `[in, in]` in single precision per adapted layer.

    Raises:
        ConfigError: there are fewer pairs than an adapter has directions.
    """
    encoders.model.eval()
    layers: dict[str, Any] = {
        name: layer
        for name, layer in encoders.model.named_modules()
        if isinstance(layer, LoraLayer)
    }
    seen: dict[str, _Seen] = {}
    padding = _Padding(lengths)
    with ExitStack() as stack:
        for name, layer in layers.items():
            mask = padding if tower_of(name) is Tower.TEXT else None
            hook = layer.register_forward_pre_hook(
                partial(_see, seen=seen, name=name, padding=mask), with_kwargs=True
            )
            stack.callback(hook.remove)
        for inputs in batches:
            tokens = inputs.tokens.to(encoders.device)
            padding.look(tokens)
            encoders.encode_text(tokens)
            encoders.model.encode_image(inputs.pixels.to(encoders.device))
    for name, layer in layers.items():
        first, second = (
            _factor(layer, names) for names in ("lora_A", "lora_B")
        )  # [r, in] [out, r]
        first.requires_grad_(False)
        second.requires_grad_(name in seen)
        if name in seen:
            first.copy_(_directions(seen[name], len(first), ridge) * _ROW_LENGTH)
    return list(seen)


def _agree(model: torch.nn.Module, processes: Processes) -> None:
    """Use the first process's directions everywhere; others may differ in the last digit."""
    if processes.count == 1:
        return
    fixed = {name: item for name, item in model.named_parameters() if ".lora_A." in name}
    shared = processes.broadcast({name: item.detach().cpu() for name, item in fixed.items()})
    with torch.no_grad():
        for name, item in fixed.items():
            item.copy_(shared[name])


def _factor(layer: Any, name: str) -> nn.Parameter:
    return cast(nn.Parameter, getattr(layer, name)[ADAPTER].weight)


class _Padding:
    """Mask of the positions without padding in the current batch of texts."""

    def __init__(self, lengths: Lengths | None) -> None:
        self._lengths = lengths
        self._counted: Tensor | None = None

    def look(self, tokens: Tensor) -> None:
        """Compute the mask of a batch of tokens `[b, t]`."""
        if self._lengths is not None:
            length = torch.from_numpy(np.asarray(self._lengths(tokens.cpu()))).to(tokens.device)
            self._counted = torch.arange(tokens.shape[1], device=tokens.device) < length[:, None]

    def of(self, states: Tensor) -> Tensor | None:
        """Mask `[b, t]` for states `[b, t, d]`; None if they are not token states."""
        counted = self._counted
        return counted if counted is not None and states.shape[:2] == counted.shape else None


def _see(
    layer: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    *,
    seen: dict[str, _Seen],
    name: str,
    padding: _Padding | None,
) -> None:
    states = _states(layer.get_base_layer(), args[0] if args else kwargs["query"])
    if states is None:
        return
    counted = padding.of(states) if padding is not None else None
    if counted is None:
        counted = torch.ones(states.shape[:2], dtype=torch.bool, device=states.device)
    weight = counted.float()[..., None]
    unsafe, target = ((states * weight).sum(1) / weight.sum(1)).chunk(2)  # [b, d] each
    safe = states[len(target) :][counted[len(target) :]]  # [positions, d]
    found = seen.setdefault(name, _Seen())
    found.differences.append(unsafe - target)
    found.positions += len(safe)
    found.total = found.total + safe.sum(0)
    found.square = found.square + safe.T @ safe


def _states(layer: nn.Module, given: Tensor) -> Tensor | None:
    """Inputs `[b, positions, in]` that a layer's weight multiplies; None if unknown."""
    given = given.float()
    if isinstance(layer, nn.Conv2d):
        if layer.groups > 1 or isinstance(layer.padding, str):
            return None
        columns = functional.unfold(
            given, layer.kernel_size, layer.dilation, layer.padding, layer.stride
        )
        return columns.transpose(1, 2)
    if isinstance(layer, nn.MultiheadAttention) and not layer.batch_first:
        given = given.transpose(0, 1)
    return given.reshape(len(given), -1, given.shape[-1])


def _directions(seen: _Seen, count: int, ridge: float) -> Tensor:
    """Orthonormal rows `[count, d]` that span the leading solutions, in order."""
    differences = torch.cat(seen.differences)  # [p, d]
    if len(differences) < count:
        raise ConfigError(
            f"train: adapters of rank {count} with fixed inputs need at least {count} pairs, got "
            f"{len(differences)}; lower --rank, or use --adapter-inputs any"
        )
    mean = cast(Tensor, seen.total) / seen.positions
    spread = cast(Tensor, seen.square) / seen.positions - torch.outer(mean, mean)
    floor = ridge * spread.diagonal().mean().clamp(min=torch.finfo(spread.dtype).tiny)
    factor = torch.linalg.cholesky(spread + floor * torch.eye(len(spread), device=spread.device))
    whitened = torch.linalg.solve_triangular(factor, differences.T, upper=False)  # [d, p]
    leading = torch.linalg.svd(whitened, full_matrices=False)[0][:, :count]
    span: Tensor = torch.linalg.qr(torch.linalg.solve_triangular(factor.T, leading, upper=True))[0]
    return span.T
