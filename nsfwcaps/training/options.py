"""The options of a run, and parsing of methods, schedules and layer kinds from settings."""

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
    """Options of a run: method, trainable parameters, optimisation and stopping.

    Raises `ConfigError` if the method fixes the adapters' inputs and there are no adapters.
    """

    method: Method
    adaptation: Adaptation
    optimisation: Optimisation
    schedule: Schedule
    precision: Precision
    """Compute precision of the trained model; not `AUTO`."""
    batch_size: int
    """Pairs per step, total over all processes."""
    ridge: float
    """Ridge of fixed adapter inputs (`training.directions`)."""
    patience: int | None
    """Epochs without a better validation score until the run stops; None for all epochs."""
    save_every: int
    """Steps between checkpoints."""
    checkpoint_minutes: float
    """Minutes between checkpoints, if there are fewer steps than `save_every` in them."""
    batch_images: int
    """Images per batch without gradients: in validation and for fixing the adapters' inputs."""
    compile: bool = False
    """Whether the towers are compiled in training (`training.compilation`)."""

    def __post_init__(self) -> None:
        if self.adaptation.full and self.method.adapter_inputs is AdapterInputs.CONTRAST:
            raise ConfigError(
                "train.full: full fine-tuning has no adapters whose inputs could be fixed; remove "
                "--full, or set --adapter-inputs any"
            )


def method_of(
    name: str,
    changes: Sequence[str],
    targets: Targets | None,
    adapter_inputs: AdapterInputs | None,
    learning_rate: float | None,
) -> Method:
    """The named method, with overrides: of its weights as `TERM=NUMBER`, of the rest if not None.

    Raises:
        ConfigError: a weight is not a number, or a term is unknown.
    """
    method = METHODS[name]
    weights = dict(method.weights)
    for change in changes:
        term, _, text = change.partition("=")
        try:
            weights[term] = float(text)
        except ValueError:
            raise ConfigError(f"train.weight: expected TERM=NUMBER, got '{change}'") from None
        if weights[term] == 0 and term in TERMS:  # `Method` refuses an unknown term
            del weights[term]
    return replace(
        method,
        weights=weights,
        targets=targets or method.targets,
        adapter_inputs=adapter_inputs or method.adapter_inputs,
        learning_rate=learning_rate or method.learning_rate,
    )


def schedule_of(curriculum: str | None, method: Method) -> Schedule:
    """The given schedule, or else the method's.

    Raises:
        ConfigError: a level is unknown.
    """
    if curriculum is not None:
        return parse_schedule(curriculum)
    return SCHEDULES[method.curriculum]


def layer_kinds_of(words: Sequence[str], setting: str) -> tuple[LayerKind, ...]:
    """Parse kinds of layers; `setting` is for the error message.

    Raises:
        ConfigError: a kind is unknown.
    """
    unknown = [word for word in words if word not in set(LayerKind)]
    if unknown:
        raise ConfigError(
            f"{setting}: unknown kind of layer {', '.join(unknown)}; "
            f"choose from {', '.join(LayerKind)}"
        )
    return tuple(LayerKind(word) for word in words)
