"""A trained run as a plain open_clip model: its base model with the adapter merged in."""

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
from nsfwcaps.models.names import MINI
from nsfwcaps.models.trained import DESCRIPTION, WEIGHTS, TrainedRun
from nsfwcaps.runtime.weights import weights_sha256
from nsfwcaps.training.adapters import Adaptation, LayerKind, adapt, load_adapter, merged_state_dict
from nsfwcaps.training.interpolation import interpolate


def merge(
    runs: Sequence[TrainedRun], base: tuple[Any, Any, Any], strength: float
) -> tuple[Any, Any, Any]:
    """Return model, preprocessing and tokenizer of the first run, each run trained on the next.

    `base` is the ordinary model below the last run. `strength` interpolates between the model that
    the first run was trained on (0) and its result (1).

    Raises:
        ModelError: a file is damaged, or the base model differs.
    """
    model, preprocess, tokenizer = base
    for run in reversed(runs):
        _check_base(run, model)
        tuned = _tuned_weights(run, model)
        share = strength if run is runs[0] else 1.0
        model.load_state_dict(interpolate(model.state_dict(), tuned, share))
    return model, preprocess, tokenizer


def _check_base(run: TrainedRun, model: Any) -> None:
    """Refuse to merge an adapter into another model than its base."""
    found = {
        "weights_sha256": weights_sha256(model.state_dict()),
        "activation": activations(model),
        "preprocessing": clip.preprocessing(model),
    }
    differ = [name for name, value in found.items() if run.encoder.get(name) != value]
    if differ:
        raise ModelError(
            f"{run.folder}: '{run.base}' is not the base model of this run: {' and '.join(differ)} "
            f"differ. {_way_out(run)}"
        )


def _way_out(run: TrainedRun) -> str:
    if run.base == MINI:
        return (
            f"This version of nsfwcaps has another '{MINI}' than the one that trained it: train "
            "again, on data that was built again"
        )
    return "Restore the base model's files, or train again"


def _tuned_weights(run: TrainedRun, model: Any) -> Mapping[str, torch.Tensor]:
    """Return the state dict of a run; the base model is not modified."""
    path, adaptation = run.folder / WEIGHTS, _adaptation(run)
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise ModelError(
            f"{path} is damaged ({first_line(error)}); copy the whole folder again, or train again"
        ) from None
    adapted = copy.deepcopy(model)
    try:
        # Adapters are initialised randomly; keep the caller's generator state.
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
            f"{run.folder / DESCRIPTION} is damaged: its settings do not name the trained "
            "layers; copy the whole folder again, or train again"
        ) from None
