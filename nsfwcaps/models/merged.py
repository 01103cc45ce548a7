"""A trained run as a plain open_clip model: its base model with the adapter added in."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from nsfwcaps.encoders import clip
from nsfwcaps.encoders.encoder import activations
from nsfwcaps.enums import Tower
from nsfwcaps.errors import ConfigError, ModelError, first_line
from nsfwcaps.models.trained import DESCRIPTION, WEIGHTS, TrainedRun
from nsfwcaps.runtime.weights import weights_sha256
from nsfwcaps.training.adapters import Adaptation, LayerKind, adapt, load_adapter, merged_state_dict
from nsfwcaps.training.interpolation import interpolate


def merge(
    runs: Sequence[TrainedRun], base: tuple[Any, Any, Any], strength: float
) -> tuple[Any, Any, Any]:
    """Model, preprocessing and tokenizer of the first of some runs, each trained on the next.

    `base` is the ordinary model below the last run. With a strength below 1 the weights are between
    those of the model that the first run trained (0) and those that came out (1).

    Raises:
        ModelError: a file is damaged, or the base model is another one.
    """
    model, preprocess, tokenizer = base
    for run in reversed(runs):
        _check_base(run, model)
        tuned = _tuned_weights(run, model)
        share = strength if run is runs[0] else 1.0
        model.load_state_dict(interpolate(model.state_dict(), tuned, share))
    return model, preprocess, tokenizer


def _check_base(run: TrainedRun, model: Any) -> None:
    """Refuse to put an adapter on another model than the one it was trained on."""
    found = {
        "weights_sha256": weights_sha256(model.state_dict()),
        "activation": activations(model),
        "preprocessing": clip.preprocessing(model),
    }
    differ = [name for name, value in found.items() if run.encoder.get(name) != value]
    if differ:
        raise ModelError(
            f"{run.folder}: '{run.base}' is not the model that was trained: {' and '.join(differ)} "
            "differ from those of the training. Put the base model's files back, or train again"
        )


def _tuned_weights(run: TrainedRun, model: Any) -> Mapping[str, torch.Tensor]:
    """State dict of a run; the model, its base, stays as it is."""
    path, adaptation = run.folder / WEIGHTS, _adaptation(run)
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise ModelError(
            f"{path} is damaged ({first_line(error)}); copy the whole folder again, or train again"
        ) from None
    adapted = copy.deepcopy(model)
    try:
        # Adapters start from random numbers; the caller's generator stays put.
        with torch.random.fork_rng(devices=[]):
            adapt(adapted, adaptation)
        load_adapter(adapted, tensors)
    except (ConfigError, ModelError) as error:
        raise ModelError(f"{path}: {error}") from None
    return merged_state_dict(adapted)


def _adaptation(run: TrainedRun) -> Adaptation:
    values = run.settings
    try:
        return Adaptation(
            rank=int(values["rank"]),
            alpha=float(values["alpha"]),
            image=Tower.IMAGE in values["towers"],
            text=Tower.TEXT in values["towers"],
            image_targets=tuple(map(LayerKind, values["image_layers"])),
            text_targets=tuple(map(LayerKind, values["text_layers"])),
            full=bool(values["full"]),
        )
    except (LookupError, TypeError, ValueError, ConfigError):
        raise ModelError(
            f"{run.folder / DESCRIPTION} is damaged: its settings do not say which layers were "
            "trained; copy the whole folder again, or train again"
        ) from None
