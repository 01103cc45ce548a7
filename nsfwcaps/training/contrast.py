"""Adapters that read a few directions, those in which unsafe inputs outweigh safe ones most.

If A of an adapter B A x is trained, it may come to read any direction. Here A is fixed before
training, from the layer's inputs for safe items and for unsafe ones (`training.directions`), and
only B is trained.

The unit is a position: a token, a patch, or the whole item at a head. Both sides are measured so,
because an adapter acts on each position by itself. Two sides with equal inputs then have no
contrast in any direction. Means over an item's tokens would lower the safe side's variance and
favour directions in which items as a whole differ, whether they are safe or not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
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
from nsfwcaps.training.ahead import prepared_ahead
from nsfwcaps.training.directions import Directions, LayerInputs, Moments, directions
from nsfwcaps.training.inputs import Encoders, Items, PreparedItems
from nsfwcaps.training.low_rank import ADAPTER

Tensor = torch.Tensor

Lengths = Callable[[Tensor], npt.NDArray[np.int64]]
"""Tokens `[b, t]` to their number without padding `[b]`."""

_ITEMS = 2048
"""Items to sample of each side, evenly spaced: many times the directions of an adapter."""

# Length of the rows of LoRA's usual initialisation, uniform within 1 / sqrt(in).
_ROW_LENGTH = 3**-0.5


def fix_inputs(
    encoders: Encoders,
    sides: tuple[PreparedItems, PreparedItems],
    lengths: Lengths,
    *,
    ridge: float,
    batch_size: int,
    workers: int,
    processes: Processes,
    progress: Progress,
) -> None:
    """Fix the adapters' inputs to what the second side, the unsafe items, has more of.

    `batch_size` counts items; `workers` threads prepare them. All processes use the directions of
    the first one.

    Raises:
        ConfigError: there are fewer unsafe items than an adapter has directions.
    """
    rows = [np.arange(n) * len(side) // n for side in sides for n in [min(len(side), _ITEMS)]]
    with progress.task("train: contrast", sum(map(len, rows)), unit="items") as advance:

        def batches(side: PreparedItems, chosen: npt.NDArray[np.int64]) -> Iterator[Items]:
            starts = range(0, len(chosen), batch_size)
            parts = (chosen[start : start + batch_size] for start in starts)
            alone = encoders.device.startswith("cuda")
            made = prepared_ahead(parts, side.prepare, workers=workers, alone=alone)
            for part, items in made:
                yield items
                advance(len(part))

        safe, unsafe = map(batches, sides, rows)
        fix_directions(encoders, safe, unsafe, ridge=ridge, lengths=lengths)
    _agree(encoders.model, processes)


@torch.no_grad()
def fix_directions(
    encoders: Encoders,
    safe: Iterable[Items],
    unsafe: Iterable[Items],
    *,
    ridge: float,
    lengths: Lengths | None = None,
    kind: Directions = Directions.CONTRAST,
) -> list[str]:
    """Fix the input directions of a model's adapters in place, and return the affected layers.

    Safe and unsafe items are read one side after the other; they need no pairing. `lengths`
    excludes text padding. The other adapters stay at their initialisation and have no effect. These
    are adapters of depthwise convolutions, whose input is a single channel, and of weights that
    fused kernels read (the output projection of fused attention), whose input is not observable.

    Needs two matrices `[in, in]` in single precision per adapted layer.

    Raises:
        ConfigError: there are fewer unsafe items than an adapter has directions.
    """
    encoders.model.eval()
    layers: dict[str, Any] = {
        name: layer
        for name, layer in encoders.model.named_modules()
        if isinstance(layer, LoraLayer)
    }
    seen_safe = _see(encoders, layers, safe, lengths, {})
    pivots = {name: moments.mean for name, moments in seen_safe.items()}
    seen_unsafe = _see(encoders, layers, unsafe, lengths, pivots)
    fixed = [name for name in layers if name in seen_safe and name in seen_unsafe]
    for name, layer in layers.items():
        first, second = (
            _factor(layer, names) for names in ("lora_A", "lora_B")
        )  # [r, in] [out, r]
        first.requires_grad_(False)
        second.requires_grad_(name in fixed)
        if name in fixed:
            safe_side, unsafe_side = seen_safe.pop(name), seen_unsafe.pop(name)  # frees memory
            _check_items(unsafe_side.items, len(first))
            inputs = LayerInputs(safe=safe_side, unsafe=unsafe_side, weight=_weight(layer))
            first.copy_(directions(inputs, len(first), ridge=ridge, kind=kind) * _ROW_LENGTH)
    return fixed


def _check_items(items: int, count: int) -> None:
    if items < count:
        raise ConfigError(
            f"train: adapters of rank {count} with fixed inputs need at least {count} unsafe "
            f"items, got {items}; lower --rank, or use --adapter-inputs any"
        )


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


def _weight(layer: Any) -> Tensor:
    """The frozen weight under an adapter, as a matrix `[out, in]`."""
    weight = cast(Tensor, getattr(layer.get_base_layer(), layer.adapted))
    return weight.detach().flatten(1)


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
    encoders: Encoders,
    layers: dict[str, Any],
    batches: Iterable[Items],
    lengths: Lengths | None,
    pivots: dict[str, Tensor],
) -> dict[str, Moments]:
    """Run the items of one side, and return the moments of every layer's observable inputs."""
    seen: dict[str, Moments] = {}
    padding = _Padding(lengths)
    with ExitStack() as stack:
        for name, layer in layers.items():
            mask = padding if tower_of(name) is Tower.TEXT else None
            hook = layer.register_forward_pre_hook(
                partial(_add, seen=seen, name=name, padding=mask, pivot=pivots.get(name)),
                with_kwargs=True,
            )
            stack.callback(hook.remove)
        for items in batches:
            tokens = items.tokens.to(encoders.device)
            padding.look(tokens)
            encoders.encode_text(tokens)
            encoders.encode_image(items.pixels)
    return seen


def _add(
    layer: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    *,
    seen: dict[str, Moments],
    name: str,
    padding: _Padding | None,
    pivot: Tensor | None,
) -> None:
    states = _states(layer.get_base_layer(), args[0] if args else kwargs["query"])
    if states is None:
        return
    counted = padding.of(states) if padding is not None else None
    rows = states.flatten(0, 1) if counted is None else states[counted]  # [positions, d]
    if name not in seen:
        seen[name] = Moments(rows.mean(0) if pivot is None else pivot)
    seen[name].add(rows, len(states))


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
