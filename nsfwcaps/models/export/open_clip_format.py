"""A trained model as open_clip itself stores one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nsfwcaps.encoders.clip import preprocessing
from nsfwcaps.encoders.encoder import activations
from nsfwcaps.encoders.mini import model as mini
from nsfwcaps.errors import ModelError
from nsfwcaps.models.create import create
from nsfwcaps.models.names import parse
from nsfwcaps.runtime.silence import silence
from nsfwcaps.runtime.weights import weights_sha256

WEIGHTS = "open_clip_model.safetensors"
CONFIG = "open_clip_config.json"

_CAPTIONS = ["a photo of a cat", "Two dogs, one ball; it's 3 o'clock."]


def write(folder: Path, architecture: str, model: Any, tokenizer: Any) -> None:
    """Write the weights, and unless the model is a `mini` the configuration; check both.

    `mini` has its text tower from a package, at a path that holds on one machine only. Its weights
    are a checkpoint of its architecture instead.

    Raises:
        ModelError: another model's configuration holds a path of this machine, or what open_clip
            loads from the folder is not what was trained.
    """
    from safetensors.torch import save_file

    tensors = model.state_dict().items()
    save_file({name: tensor.contiguous() for name, tensor in tensors}, folder / WEIGHTS)
    if architecture not in (mini.NAME, mini.ARCHITECTURE):
        _write_config(folder, architecture, model, tokenizer)
    _check(folder, model, tokenizer)


def model_name(folder: Path) -> str:
    """Name by which `--model` takes what was written into a folder."""
    if (folder / CONFIG).is_file():
        return f"local-dir:{folder}"
    return f"open_clip:{mini.ARCHITECTURE}/{folder / WEIGHTS}"


def _write_config(folder: Path, architecture: str, model: Any, tokenizer: Any) -> None:
    import open_clip
    from open_clip.push_to_hf_hub import save_config_for_hf
    from open_clip.tokenizer import HFTokenizer

    with silence():
        config = open_clip.get_model_config(architecture)
    text = config["text_cfg"]
    names = [text[key] for key in ("hf_model_name", "hf_tokenizer_name") if text.get(key)]
    if any(Path(name).exists() for name in names):
        raise ModelError(
            "the configuration of the base model names a folder of this machine for its text "
            "tower, so no other machine could load the export; use the run's folder as --model"
        )
    save_config_for_hf(model, folder / CONFIG, config)
    if isinstance(tokenizer, HFTokenizer):  # open_clip looks for it beside the configuration
        tokenizer.save_pretrained(folder)


def _check(folder: Path, model: Any, tokenizer: Any) -> None:
    if (folder / CONFIG).is_file():
        written, _, its_tokenizer = create(parse(f"local-dir:{folder}"))
    else:
        written, _, its_tokenizer = create(parse(model_name(folder)))
    differ = [
        name
        for name, fact in {
            "weights": lambda item: weights_sha256(item.state_dict()),
            "activation": activations,
            "preprocessing": preprocessing,
        }.items()
        if fact(written) != fact(model)
    ]
    if not bool((its_tokenizer(_CAPTIONS) == tokenizer(_CAPTIONS)).all()):
        differ.append("tokenizer")
    if differ:
        raise ModelError(
            f"what open_clip loads from the export is not what was trained: {', '.join(differ)} "
            "differ, so it is not delivered; use the run's folder as --model, and report it"
        )
