"""The options of a run, and how words of settings choose among methods, schedules and layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from nsfwcaps.enums import AdapterInputs, Precision, Targets
from nsfwcaps.errors import ConfigError
from nsfwcaps.training.adapters import Adaptation, LayerKind
from nsfwcaps.training.curriculum import SCHEDULES, Schedule, parse_schedule
from nsfwcaps.training.loop import Optimisation
from nsfwcaps.training.methods import METHODS, TERMS, Method


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """How a run trains: what is minimised, what trains, and when it ends.

    Raises `ConfigError` where adapters are to read differences and there are no adapters.
    """

    method: Method
    adaptation: Adaptation
    optimisation: Optimisation
    schedule: Schedule
    precision: Precision
    """Of the trained model's arithmetic; not `AUTO`."""
    batch_size: int
    """Pairs per step, of all processes together."""
    ridge: float
    """Of adapters that read differences (`training.subspace`)."""
    patience: int | None
    """Epochs without a better validation after which the run ends; None for all epochs."""
    save_every: int
    """Steps between checkpoints."""
    batch_images: int
    """Pictures per batch where nothing trains: validation, and reading differences."""

    def __post_init__(self) -> None:
        if self.adaptation.full and self.method.adapter_inputs is AdapterInputs.DIFFERENCE:
            raise ConfigError(
                "train.full: there are no adapters that could read differences; leave full out, or "
                "set --adapter-inputs any"
            )


def method_of(
    name: str,
    changes: Sequence[str],
    targets: Targets | None,
    adapter_inputs: AdapterInputs | None,
) -> Method:
    """The named method with changes of its weights (`TERM=NUMBER`), its targets or its adapters.

    Raises:
        ConfigError: a weight that is no number, or an unknown term.
    """
    method = METHODS[name]
    weights = dict(method.weights)
    for change in changes:
        term, _, text = change.partition("=")
        try:
            weights[term] = float(text)
        except ValueError:
            raise ConfigError(f"train.weight: write '{change}' as TERM=NUMBER") from None
        if weights[term] == 0 and term in TERMS:  # `Method` refuses an unknown term
            del weights[term]
    return replace(
        method,
        weights=weights,
        targets=targets or method.targets,
        adapter_inputs=adapter_inputs or method.adapter_inputs,
    )


def schedule_of(curriculum: str | None, method: Method) -> Schedule:
    """The schedule that is written out, or else the method's.

    Raises:
        ConfigError: an unknown level.
    """
    if curriculum is not None:
        return parse_schedule(curriculum)
    return SCHEDULES[method.curriculum]


def layer_kinds_of(words: Sequence[str], setting: str) -> tuple[LayerKind, ...]:
    """Kinds of layers by their names; the setting is named in the error.

    Raises:
        ConfigError: an unknown kind of layer.
    """
    unknown = [word for word in words if word not in set(LayerKind)]
    if unknown:
        raise ConfigError(
            f"{setting}: no kind of layer is called {', '.join(unknown)}; "
            f"there are: {', '.join(LayerKind)}"
        )
    return tuple(LayerKind(word) for word in words)
