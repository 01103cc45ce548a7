"""Rows of `benchmarks/methods.py`: methods, and the choices that each may make on validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from nsfwcaps.enums import AdapterInputs
from nsfwcaps.training.curriculum import Curriculum
from nsfwcaps.training.directions import Directions
from nsfwcaps.training.methods import METHODS, Method

RATES = (3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2)

KEEP = (1.0, 5.0, 25.0, 100.0)
"""Weights of preservation, as multiples of a method's own, from which validation chooses."""

OPENAI_SCALE = 100.0

PLAIN, TUNED = "SafeR-CLIP", "SafeR-CLIP, preservation chosen"
SAFE_TUNED, OURS = "Safe-CLIP, preservation chosen", "contrastive-subspace"
CURVES = (PLAIN, TUNED, SAFE_TUNED, OURS)
"""Rows that are trained at every rate with every seed."""

_SAGE = {"spread_text": 2.0, "spread_image": 2.0}
_NEAR = {"neighbours_text": 10.0, "neighbours_image": 10.0}


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One configuration of a row, up to its learning rate and seed."""

    method: Method
    targets: str = "nearest"
    scale: float | None = None
    """Logit scale of InfoNCE; None for the model's own."""
    directions: Directions = Directions.CONTRAST
    strength: float = 1.0
    """Interpolates weights between the start (0) and the end of training (1)."""

    def plain(self) -> dict[str, Any]:
        """Everything that the result depends on, as JSON."""
        method = self.method
        read = method.adapter_inputs is AdapterInputs.CONTRAST
        return {
            "weights": dict(method.weights),
            "curriculum": method.curriculum,
            "adapter_inputs": method.adapter_inputs,
            "targets": self.targets,
            "scale": self.scale,
            "directions": self.directions if read else None,
            "strength": self.strength,
        }


def rows() -> dict[str, Sequence[Choice]]:
    """Return for each row the configurations from which validation chooses."""
    safer, safe, ours = (
        METHODS[name] for name in ("safer-clip", "safe-clip", "contrastive-subspace")
    )
    fixed = Choice(method=safe, targets="fixed")
    return {
        "safe-only": [Choice(method=METHODS["safe-only"])],
        "Safe-CLIP": [fixed],
        "Safe-CLIP, scale 100": [replace(fixed, scale=OPENAI_SCALE)],
        SAFE_TUNED: _kept(fixed),
        PLAIN: [Choice(method=safer)],
        "SafeR-CLIP, scale 100": [Choice(method=safer, scale=OPENAI_SCALE)],
        TUNED: _kept(Choice(method=safer)),
        OURS: _kept(Choice(method=replace(ours, weights=safer.weights))),
        **_ablations(safer),
        **_other_directions(replace(ours, weights=safer.weights)),
        "SafeR-CLIP, hub cap": [Choice(method=safer, targets="capped")],
        "SafeR-CLIP, 4 weighted targets": [Choice(method=safer, targets="several")],
        "SafeR-CLIP + SAGE terms, neighbours x 100": _kept(
            Choice(method=replace(safer, weights={**safer.weights, **_SAGE, **_NEAR}))
        ),
        "SafeR-CLIP, half way (WiSE-FT)": [Choice(method=safer, strength=0.5)],
    }


def _kept(choice: Choice, multiples: Sequence[float] = KEEP) -> list[Choice]:
    """Return the configuration with each weight of preservation within a modality."""
    method = choice.method
    return [
        replace(
            choice,
            method=replace(
                method,
                weights={
                    name: weight * (keep if name in ("preserve_text", "preserve_image") else 1)
                    for name, weight in method.weights.items()
                },
            ),
        )
        for keep in multiples
    ]


def _ablations(safer: Method) -> dict[str, Sequence[Choice]]:
    """Vary targets, loss and curriculum of SafeR-CLIP."""
    out: dict[str, Sequence[Choice]] = {}
    for targets in ("nearest", "fixed"):
        for relative in (True, False):
            for curriculum in (Curriculum.PROGRESSIVE, Curriculum.NONE):
                loss = "relative" if relative else "InfoNCE"
                order = "levels" if curriculum is Curriculum.PROGRESSIVE else "no levels"
                method = replace(
                    safer,
                    curriculum=curriculum,
                    weights=safer.weights if relative else _in_batch(safer.weights),
                )
                if method != safer or targets != "nearest":
                    name = f"{targets}, {loss}, {order}"
                    out[name] = [Choice(method=method, targets=targets)]
    return out


def _other_directions(ours: Method) -> dict[str, Sequence[Choice]]:
    """Replace the directions that adapters read by those of related work."""
    names = {
        Directions.RANDOM: "random directions (LoRA-FA)",
        Directions.UNWHITENED: "unwhitened directions",
        Directions.NULL: "least safe variance (as LoRA-Null)",
        Directions.CORDA: "as CorDA",
        Directions.SC_LORA: "as SC-LoRA",
    }
    return {
        name: _kept(Choice(method=ours, directions=directions), KEEP[1:3])
        for directions, name in names.items()
    }


def _in_batch(weights: Mapping[str, float]) -> dict[str, float]:
    """Redirect by InfoNCE with in-batch negatives instead of the relative loss."""
    return {name.replace("relative_", "redirect_"): weight for name, weight in weights.items()}
