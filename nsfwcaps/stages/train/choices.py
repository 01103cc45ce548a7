"""train, its choices: words and numbers of the settings to what the trainer takes."""

from __future__ import annotations

from dataclasses import replace

from nsfwcaps.enums import AdapterInputs, Tower
from nsfwcaps.errors import ConfigError
from nsfwcaps.runtime.device import resolve_precision, torch_device
from nsfwcaps.stages.train.settings import TrainSettings
from nsfwcaps.stages.train.tensorboard import wants_board
from nsfwcaps.training.adapters import Adaptation, Kind
from nsfwcaps.training.curriculum import SCHEDULES, Schedule, parse_schedule
from nsfwcaps.training.loop import Optimisation
from nsfwcaps.training.methods import METHODS, TERMS, Method


def method_of(settings: TrainSettings) -> Method:
    """The method with the weights and the targets that the settings change.

    Raises:
        ConfigError: a weight that is none.
    """
    method = METHODS[settings.method.value]
    weights = dict(method.weights)
    for change in settings.weight:
        name, _, text = change.partition("=")
        try:
            weights[name] = float(text)
        except ValueError:
            raise ConfigError(f"train.weight: write '{change}' as TERM=NUMBER") from None
        if weights[name] == 0 and name in TERMS:  # one that is none is refused below
            del weights[name]
    return replace(
        method,
        weights=weights,
        targets=settings.targets or method.targets,
        adapter_inputs=settings.adapter_inputs or method.adapter_inputs,
    )


def check_settings(settings: TrainSettings) -> None:
    """Find what cannot work before anything is loaded or embedded.

    Raises:
        ConfigError: an unknown word, numbers that cannot train, or a package that is not there.
        DeviceError: the device is not there.
    """
    adaptation_of(settings)
    if settings.full and method_of(settings).adapter_inputs is AdapterInputs.DIFFERENCE:
        raise ConfigError(
            "train.full: there are no adapters that could read differences; leave full out, or set "
            "--adapter-inputs any"
        )
    schedule_of(settings, method_of(settings))
    resolve_precision(settings.precision, torch_device(settings.device))
    wants_board(settings.events)


def adaptation_of(settings: TrainSettings) -> Adaptation:
    """What is trained.

    Raises:
        ConfigError: a kind of layer that is none, or numbers that cannot train.
    """
    return Adaptation(
        rank=settings.rank,
        alpha=settings.alpha,
        dropout=settings.dropout,
        image=Tower.IMAGE in settings.towers,
        text=Tower.TEXT in settings.towers,
        image_targets=_kinds(settings.image_layers, "image_layers"),
        text_targets=_kinds(settings.text_layers, "text_layers"),
        full=settings.full,
    )


def optimisation_of(settings: TrainSettings) -> Optimisation:
    """How steps are made."""
    return Optimisation(
        epochs=settings.epochs,
        learning_rate=settings.learning_rate,
        warmup_share=settings.warmup_share,
        weight_decay=settings.weight_decay,
        clip_norm=settings.clip_norm,
        scale=None if settings.scale == "model" else settings.scale,
        seed=settings.seed,
        workers=settings.workers,
        accumulate=settings.accumulate,
    )


def schedule_of(settings: TrainSettings, method: Method) -> Schedule:
    """Stages by epoch.

    Raises:
        ConfigError: a stage that is none.
    """
    if settings.curriculum is not None:
        return parse_schedule(settings.curriculum)
    return SCHEDULES[method.curriculum]


def _kinds(words: tuple[str, ...], where: str) -> tuple[Kind, ...]:
    unknown = [word for word in words if word not in set(Kind)]
    if unknown:
        raise ConfigError(
            f"train.{where}: no kind of layer is called {', '.join(unknown)}; "
            f"there are: {', '.join(Kind)}"
        )
    return tuple(Kind(word) for word in words)
