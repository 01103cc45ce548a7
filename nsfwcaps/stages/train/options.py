"""train, options: convert settings to the options of the training library."""

from __future__ import annotations

from nsfwcaps.enums import Tower
from nsfwcaps.runtime.batch_size import USUAL_IMAGES
from nsfwcaps.runtime.cores import cores
from nsfwcaps.runtime.device import resolve_precision, torch_device
from nsfwcaps.stages.train.settings import TrainSettings
from nsfwcaps.training.adapters import Adaptation
from nsfwcaps.training.loop import Optimisation
from nsfwcaps.training.options import TrainingOptions, layer_kinds_of, method_of, schedule_of


def options_of(settings: TrainSettings) -> TrainingOptions:
    """Convert and validate the settings, before anything is loaded or embedded.

    Raises:
        ConfigError: an unknown name, or numbers that cannot train.
        DeviceError: the device is unavailable.
    """
    method = method_of(
        settings.method.value,
        settings.weight,
        settings.targets,
        settings.adapter_inputs,
        settings.learning_rate,
    )
    return TrainingOptions(
        method=method,
        adaptation=_adaptation(settings),
        optimisation=_optimisation(settings, method.learning_rate),
        schedule=schedule_of(settings.curriculum, method),
        precision=resolve_precision(settings.precision, torch_device(settings.device)),
        batch_size=settings.batch_size,
        ridge=settings.ridge,
        patience=settings.patience,
        save_every=settings.save_every,
        checkpoint_minutes=settings.checkpoint_minutes,
        batch_images=settings.batch_images or USUAL_IMAGES,
        compile=settings.compile,
    )


def _adaptation(settings: TrainSettings) -> Adaptation:
    return Adaptation(
        rank=settings.rank,
        alpha=settings.alpha,
        dropout=settings.dropout,
        image=Tower.IMAGE in settings.towers,
        text=Tower.TEXT in settings.towers,
        image_targets=layer_kinds_of(settings.image_layers, "train.image_layers"),
        text_targets=layer_kinds_of(settings.text_layers, "train.text_layers"),
        full=settings.full,
    )


def _optimisation(settings: TrainSettings, learning_rate: float) -> Optimisation:
    return Optimisation(
        epochs=settings.epochs,
        learning_rate=learning_rate,
        warmup_share=settings.warmup_share,
        weight_decay=settings.weight_decay,
        clip_norm=None if settings.clip_norm == "none" else settings.clip_norm,
        scale=None if settings.scale == "model" else settings.scale,
        seed=settings.seed,
        workers=settings.workers or cores(),
        accumulate=settings.accumulate,
        rate_decay=settings.rate_decay,
    )
