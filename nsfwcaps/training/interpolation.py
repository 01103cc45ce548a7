"""Interpolation of two models' weights (Wortsman et al. 2022, WiSE-FT, arXiv 2109.01903)."""

from __future__ import annotations

from collections.abc import Mapping

import torch

Weights = Mapping[str, torch.Tensor]


def interpolate(base: Weights, tuned: Weights, strength: float) -> Weights:
    """State dict base + strength (tuned − base); both have the same names and shapes.

    Strength 1 returns `tuned` bit for bit. Counters and other integers come from `tuned`.
    """
    if strength == 1:
        return tuned
    return {
        name: _between(base[name], tensor, strength) if tensor.is_floating_point() else tensor
        for name, tensor in tuned.items()
    }


def _between(base: torch.Tensor, tuned: torch.Tensor, strength: float) -> torch.Tensor:
    # Compute in at least single precision and round once.
    precise = torch.promote_types(tuned.dtype, torch.float32)
    return torch.lerp(base.to(precise), tuned.to(precise), strength).to(tuned.dtype)
