"""Methods as tables of named, weighted terms, so that an ablation needs no new code."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

import torch

from nsfwcaps.enums import AdapterInputs
from nsfwcaps.enums import Targets as Targets
from nsfwcaps.errors import ConfigError
from nsfwcaps.training.curriculum import Curriculum as Curriculum
from nsfwcaps.training.losses import (
    info_nce,
    neighbour_loss,
    relative_redirection,
    spread_loss,
    uni_modal,
)

Tensor = torch.Tensor


@dataclass(frozen=True, kw_only=True)
class BatchRows:
    """Unit rows `[n, d]` of one batch: trained ones, and those of the frozen reference.

    Raises `ValueError` if a reference row requires a gradient: a reference that shares weights with
    the trained encoder would move with it.
    """

    safe_text: Tensor  # T(t)
    safe_image: Tensor  # V(v)
    unsafe_text: Tensor  # T(t*)
    unsafe_image: Tensor  # V(v*)
    safe_text_reference: Tensor  # T0(t)
    safe_image_reference: Tensor  # V0(v)
    unsafe_text_reference: Tensor  # T0(t*)
    unsafe_image_reference: Tensor  # V0(v*)
    target_text: Tensor  # T0 of the target's caption
    target_image: Tensor  # V0 of the target's picture

    def __post_init__(self) -> None:
        for name in (field.name for field in fields(self)):
            frozen = name.endswith("_reference") or name.startswith("target_")
            if frozen and getattr(self, name).requires_grad:
                raise ValueError(f"{name} requires a gradient; reference rows must be frozen")


Term = Callable[[BatchRows, float | Tensor], Tensor]
"""Function from a batch and the scale of InfoNCE to a scalar loss."""

TERMS: Mapping[str, Term] = {
    "preserve_text": lambda rows, scale: uni_modal(rows.safe_text, rows.safe_text_reference),
    "preserve_image": lambda rows, scale: uni_modal(rows.safe_image, rows.safe_image_reference),
    "preserve_text_to_image": lambda rows, scale: info_nce(
        rows.safe_text, rows.safe_image_reference, scale=scale
    ),
    "preserve_image_to_text": lambda rows, scale: info_nce(
        rows.safe_image, rows.safe_text_reference, scale=scale
    ),
    "redirect_text": lambda rows, scale: uni_modal(rows.unsafe_text, rows.target_text),
    "redirect_image": lambda rows, scale: uni_modal(rows.unsafe_image, rows.target_image),
    "redirect_text_to_image": lambda rows, scale: info_nce(
        rows.unsafe_text, rows.target_image, scale=scale
    ),
    "redirect_image_to_text": lambda rows, scale: info_nce(
        rows.unsafe_image, rows.target_text, scale=scale
    ),
    "relative_text_to_image": lambda rows, scale: relative_redirection(
        rows.unsafe_text, rows.unsafe_image_reference, rows.target_image
    ),
    "relative_image_to_text": lambda rows, scale: relative_redirection(
        rows.unsafe_image, rows.unsafe_text_reference, rows.target_text
    ),
    "spread_text": lambda rows, scale: spread_loss(rows.safe_text, rows.safe_text_reference),
    "spread_image": lambda rows, scale: spread_loss(rows.safe_image, rows.safe_image_reference),
    "neighbours_text": lambda rows, scale: neighbour_loss(rows.safe_text, rows.safe_text_reference),
    "neighbours_image": lambda rows, scale: neighbour_loss(
        rows.safe_image, rows.safe_image_reference
    ),
    "contrast_safe": lambda rows, scale: info_nce(rows.safe_text, rows.safe_image, scale=scale),
}


@dataclass(frozen=True, kw_only=True)
class Method:
    """A training method: weighted loss terms, targets, curriculum and adapter inputs.

    Raises `ConfigError` for an unknown term, a weight that is not above zero, or no terms.
    """

    weights: Mapping[str, float]
    targets: Targets
    curriculum: Curriculum
    adapter_inputs: AdapterInputs = AdapterInputs.ANY
    learning_rate: float = 1e-4
    """Peak learning rate of Adam, which ignores a constant factor of the weights."""

    def __post_init__(self) -> None:
        known = ", ".join(TERMS)
        if not self.weights:
            raise ConfigError(f"a method needs at least one loss term; choose from {known}")
        for name, weight in self.weights.items():
            if name not in TERMS:
                raise ConfigError(f"unknown loss term '{name}'; choose from {known}")
            if not 0 < weight < math.inf:
                raise ConfigError(f"weight of '{name}': must be positive and finite, got {weight}")

    def loss(self, rows: BatchRows, scale: float | Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """The objective of a batch, and its unweighted terms."""
        terms = {name: TERMS[name](rows, scale) for name in self.weights}
        return torch.stack([self.weights[name] * term for name, term in terms.items()]).sum(), terms


_SAFE_CLIP = {
    "preserve_text": 0.1,
    "preserve_image": 0.1,
    "redirect_text": 0.1,
    "redirect_image": 0.2,
    "preserve_text_to_image": 0.25,
    "preserve_image_to_text": 0.25,
    "redirect_text_to_image": 0.25,
    "redirect_image_to_text": 0.5,
}

# The terms are the paper's (arXiv 2511.16743). Its weights are not published; all are one here.
_SAFER_CLIP = dict.fromkeys(
    (
        "relative_text_to_image",
        "relative_image_to_text",
        "redirect_text",
        "redirect_image",
        "preserve_text",
        "preserve_image",
        "preserve_text_to_image",
        "preserve_image_to_text",
    ),
    1.0,
)

METHODS: Mapping[str, Method] = {
    "safer-clip": Method(
        weights=_SAFER_CLIP, targets=Targets.NEAREST, curriculum=Curriculum.PROGRESSIVE
    ),
    # Terms and weights as released (arXiv 2311.16254), normalised to sum to one. The reference is
    # frozen, as the paper describes; in the released code it is trained along. Adapters, schedule
    # and batch are ours; the recipe safe-clip has the released ones.
    "safe-clip": Method(
        weights={name: weight / sum(_SAFE_CLIP.values()) for name, weight in _SAFE_CLIP.items()},
        targets=Targets.FIXED,
        curriculum=Curriculum.NONE,
    ),
    "safe-only": Method(
        weights={"contrast_safe": 1.0}, targets=Targets.NEAREST, curriculum=Curriculum.NONE
    ),
    # Ours: safer-clip with adapters that read where unsafe inputs outweigh safe ones most,
    # and with more weight on preserving safe items.
    "contrastive-subspace": Method(
        weights={**_SAFER_CLIP, "preserve_text": 5.0, "preserve_image": 5.0},
        targets=Targets.NEAREST,
        curriculum=Curriculum.PROGRESSIVE,
        adapter_inputs=AdapterInputs.CONTRAST,
        learning_rate=1e-3,  # only half of each adapter is trained, and it reads little
    ),
}
