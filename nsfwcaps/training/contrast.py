"""Adapters that read a few directions, those in which unsafe inputs outweigh safe ones most.

If A of an adapter B A x is trained, it may come to read any direction. Here A is fixed before
training, from the layer's inputs for safe items and for unsafe ones (`training.directions`), and
only B is trained.

The unit is a position: a token, a patch, or the whole item at a head. Both sides are measured so,
because an adapter acts on each position by itself. Two sides with equal inputs then have no
contrast in any direction. Means over an item's tokens would lower the safe side's variance and
favour directions in which items as a whole differ, whether they are safe or not.

Items are sampled, and so are a picture's positions: at convolutions, the products of all positions
would cost several times what the model itself does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
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
from nsfwcaps.training.adapters import tower_of
from nsfwcaps.training.ahead import prepared_ahead
from nsfwcaps.training.directions import Directions, LayerInputs, Moments, directions
from nsfwcaps.training.inputs import Encoders, Items, PreparedItems
from nsfwcaps.training.low_rank import ADAPTER
from nsfwcaps.training.pairs import ItemRows

Tensor = torch.Tensor

Lengths = Callable[[Tensor], npt.NDArray[np.int64]]
"""Tokens `[b, t]` to their number without padding `[b]`."""

ITEMS = 512
"""Items to sample of each side, evenly spaced."""
POSITIONS = 49
"""Positions to sample of each item at a layer: neighbours in a picture say nearly the same."""

# Length of the rows of LoRA's usual initialisation, uniform within 1 / sqrt(in).
_ROW_LENGTH = 3**-0.5


@dataclass(frozen=True, kw_only=True)
class ContrastSample:
    """The items that fix the adapters' inputs, safe ones and unsafe ones."""

    safe: ItemRows
    unsafe: ItemRows

    @classmethod
    def of(cls, sides: tuple[ItemRows, ItemRows]) -> ContrastSample:
        """Sample both sides evenly."""
        safe, unsafe = (side.take(_evenly(len(side))) for side in sides)
        return cls(safe=safe, unsafe=unsafe)

    def __len__(self) -> int:
        return len(self.safe) + len(self.unsafe)


def contrast_inputs(
    encoders: Encoders,
    sides: tuple[PreparedItems, PreparedItems],
    lengths: Lengths,
    *,
    ridge: float,
    batch_size: int,
    workers: int,
    progress: Progress,
) -> dict[str, Tensor]:
    """Fix the adapters' inputs to what the second side, the unsafe items, has more of.

    `batch_size` counts items; `workers` threads prepare them. Returns the fixed factors by the
    names of their layers, for `use_inputs`.

    Raises:
        ConfigError: there are fewer unsafe items than an adapter has directions.
    """
    with progress.task("train: subspace", sum(map(len, sides)), unit="items") as advance:

        def batches(side: PreparedItems) -> Iterator[Items]:
            rows = np.arange(len(side))
            parts = (rows[start : start + batch_size] for start in rows[::batch_size])
            alone = encoders.device.startswith("cuda")
            made = prepared_ahead(parts, side.prepare, workers=workers, alone=alone)
            for part, items in made:
                yield items
                advance(len(part))

        fixed = fix_directions(encoders, *map(batches, sides), ridge=ridge, lengths=lengths)
    layers = dict(_layers(encoders.model))
    return {name: _factor(layers[name], "lora_A").detach().cpu().clone() for name in fixed}


@torch.no_grad()
def use_inputs(model: nn.Module, found: Mapping[str, Tensor]) -> None:
    """Fix the adapters' inputs to factors that were found earlier, for the same layers."""
    for name, layer in _layers(model):
        first, second = (_factor(layer, names) for names in ("lora_A", "lora_B"))
        first.requires_grad_(False)
        second.requires_grad_(name in found)
        if name in found:
            first.copy_(found[name])


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
    layers = dict(_layers(encoders.model))
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


def _evenly(count: int) -> npt.NDArray[np.int64]:
    """Return the rows to sample of so many."""
    chosen = min(count, ITEMS)
    return np.arange(chosen) * count // max(1, chosen)


def _layers(model: nn.Module) -> Iterator[tuple[str, Any]]:
    """Yield the adapted layers by name."""
    return ((name, x) for name, x in model.named_modules() if isinstance(x, LoraLayer))


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
    """Inputs `[b, positions, in]` that a layer's weight multiplies; None if unknown.

    Of text, all positions; of a picture, a sample of them.
    """
    if isinstance(layer, nn.Conv2d):
        if layer.groups > 1 or isinstance(layer.padding, str):
            return None
        if layer.kernel_size == (1, 1) and layer.padding == (0, 0):
            rows, columns = layer.stride
            flat = given[..., ::rows, ::columns].flatten(2)  # [b, in, positions]
        else:
            sizes = layer.kernel_size, layer.dilation, layer.padding, layer.stride
            flat = functional.unfold(given.float(), *sizes)
        return flat[..., _sampled(flat.shape[-1], given.device)].transpose(1, 2).float()
    if isinstance(layer, nn.MultiheadAttention) and not layer.batch_first:
        given = given.transpose(0, 1)
    return given.reshape(len(given), -1, given.shape[-1]).float()


def _sampled(positions: int, device: torch.device) -> Tensor:
    """Return the positions to sample of so many, in order: always the same, in no pattern."""
    if positions <= POSITIONS:
        return torch.arange(positions, device=device)
    shuffled = torch.randperm(positions, generator=torch.Generator().manual_seed(0))
    return shuffled[:POSITIONS].sort().values.to(device)
