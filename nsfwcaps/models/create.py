"""Creation of an encoder, or of the bare open_clip model, from a model's name."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path, PurePath
from typing import Any

from nsfwcaps import extras, pictures
from nsfwcaps.encoders.encoder import DualEncoder, Encoder
from nsfwcaps.encoders.mini import model as mini
from nsfwcaps.encoders.options import EncoderOptions
from nsfwcaps.enums import Precision
from nsfwcaps.errors import ModelError, first_line
from nsfwcaps.files import sha256_file
from nsfwcaps.models import available, trained
from nsfwcaps.models.lineage import lineage
from nsfwcaps.models.names import Form, ModelName, extras_of, parse
from nsfwcaps.runtime.cores import cores
from nsfwcaps.runtime.silence import silence

_SEVERAL = 2


def load(model: str, options: EncoderOptions | None = None) -> Encoder:
    """Load the encoder for a model name.

    Raises:
        ConfigError: the name has no known form.
        ModelError: the weights cannot be loaded.
        DeviceError: the device is not available.
    """
    name = parse(model)
    if name.form is not Form.MINILM:
        return load_dual(model, options)
    from nsfwcaps.encoders.minilm import MiniLM

    options = options or EncoderOptions()
    device, precision = _resolved(options)
    return MiniLM(device=device, precision=precision, batch_tokens=options.batch_tokens)


def load_on_all_gpus(model: str, options: EncoderOptions) -> Encoder:
    """Load the encoder in a process for each GPU that torch sees; with one, or a CPU, as `load`.

    Under torchrun, every process has its own GPU already.

    Raises:
        ConfigError: the name has no known form.
        ModelError: the weights cannot be loaded.
        DeviceError: the device is not available, or a process has ended.
    """
    import torch

    from nsfwcaps.runtime.device import torch_device
    from nsfwcaps.runtime.processes import launched

    parse(model)
    gpus = torch.cuda.device_count() if torch_device(options.device) == "cuda" else 0
    if gpus < _SEVERAL or launched().count > 1:
        return load(model, options)
    from nsfwcaps.encoders.processes import ProcessEncoder

    share = max(1, (options.workers or cores()) // gpus)
    return ProcessEncoder(partial(load, model, replace(options, workers=share)), range(gpus))


def load_dual(model: str, options: EncoderOptions | None = None) -> DualEncoder:
    """Load a trainable encoder of captions and images.

    Raises:
        ConfigError: the name has no known form.
        ModelError: the weights cannot be loaded, or the model has no image tower.
        DeviceError: the device is not there.
    """
    from nsfwcaps.encoders.clip import ClipEncoder

    options = options or EncoderOptions()
    name = parse(model)
    if name.form is Form.MINILM:
        raise ModelError(f"embed.model: '{model}' encodes captions only; expected a CLIP model")
    device, precision = _resolved(options)
    made, preprocess, tokenizer = create(name)
    return ClipEncoder(
        made,
        preprocess,
        tokenizer,
        label=_label(name),
        device=device,
        precision=precision,
        options=options,
    )


def _resolved(options: EncoderOptions) -> tuple[str, Precision]:
    """Resolve the torch device and the precision."""
    from nsfwcaps.runtime.device import resolve_precision, torch_device

    device = torch_device(options.device)
    return device, resolve_precision(options.precision, device)


def create(name: ModelName, strength: float = 1.0) -> tuple[Any, Any, Any]:
    """Create the model on the CPU, its image preprocessing and its tokenizer.

    All three follow open_clip's interfaces. For a trained run, `strength` interpolates between the
    base model (0) and the trained weights (1).

    Raises:
        ModelError: the model cannot be loaded.
    """
    if name.form is Form.TRAINED_RUN:
        extras.require(extras_of(name.given))
        from nsfwcaps.models import merged

        assert name.folder is not None, "a trained run is a folder"
        runs = lineage(name.folder)
        return merged.merge(runs, create(parse(runs[-1].base)), strength)
    if name.form is Form.HUGGING_FACE:
        from nsfwcaps.models.huggingface import load as hugging_face

        return hugging_face.create(name)
    if name.architecture in (mini.NAME, mini.ARCHITECTURE):
        return mini.create(name.weights, mini.HEADS)
    return _create_with_open_clip(name)


def _create_with_open_clip(given: ModelName) -> tuple[Any, Any, Any]:
    import open_clip

    available.check_name(given, "embed.model")
    name, pretrained = given.architecture, given.weights
    try:
        with silence():
            # Unlike `create_model`, this never falls back to random weights.
            model, preprocess = open_clip.create_model_from_pretrained(name, pretrained)
            tokenizer = open_clip.get_tokenizer(name)
    except Exception as error:  # open_clip raises many types for unknown or unreachable models
        known = ":" in name or name in open_clip.list_models()
        hint = (
            "check the tag or checkpoint path, and the network connection"
            if known
            else "open_clip has no such architecture"
        )
        raise ModelError(
            f"embed.model: cannot load '{name}' with weights '{pretrained or 'included'}': "
            f"{hint} ({first_line(error)})"
        ) from None
    return model, preprocess, tokenizer


def source_digest(model: str) -> str:
    """Return a digest of local weight files and the image decoder; for other models, their name."""
    name = parse(model)
    if name.form is Form.MINILM:
        from nsfwcaps.encoders.token_counts import minilm_folder

        return sha256_file(minilm_folder() / "model.safetensors")
    return f"{_weights_digest(name, model)} decoder-{pictures.VERSION}"


def _weights_digest(name: ModelName, model: str) -> str:
    """Return a digest of local weight files; for other models, the name itself."""
    if name.form is Form.MINI:
        return " ".join(sha256_file(path) for path in mini.weight_files())
    if name.form is Form.TRAINED_RUN:
        assert name.folder is not None, "a trained run is a folder"
        runs = lineage(name.folder)
        files = [
            run.folder / file for run in runs for file in (trained.WEIGHTS, trained.DESCRIPTION)
        ]
        base = runs[-1].base
        return " ".join([*map(sha256_file, files), _weights_digest(parse(base), base)])
    if name.weights and Path(name.weights).is_file():
        return sha256_file(Path(name.weights))
    if name.folder is not None:
        files = sorted(path for path in name.folder.glob("*") if path.is_file())
        return " ".join(sha256_file(path) for path in files)
    return model


def label_of(model: str) -> str:
    """Return a model's name for display, without private folders, and without loading it."""
    return _label(parse(model))


def _label(name: ModelName) -> str:
    """Return a model's name for display, without private folders of checkpoints and runs."""
    if name.form is Form.TRAINED_RUN:
        assert name.folder is not None, "a trained run is a folder"
        return trained.read(name.folder).label
    if name.weights:
        return f"{name.architecture}/{PurePath(name.weights).name}"
    return name.architecture
