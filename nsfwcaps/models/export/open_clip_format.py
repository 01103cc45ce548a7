"""Export in open_clip's own format."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nsfwcaps.encoders.mini import model as mini
from nsfwcaps.errors import ModelError
from nsfwcaps.models.export.read_back import check_read_back
from nsfwcaps.runtime.silence import silence

WEIGHTS = "open_clip_model.safetensors"
CONFIG = "open_clip_config.json"


def write(folder: Path, architecture: str, model: Any, tokenizer: Any) -> None:
    """Write and verify the weights and, except for `mini`, the configuration.

    `mini` loads its text tower from a package, at a machine-specific path. Its weights are written
    as a checkpoint of its architecture instead.

    Raises:
        ModelError: the configuration of another model contains a path of this machine, or
            open_clip loads something else than the trained model from the folder.
    """
    from safetensors.torch import save_file

    tensors = model.state_dict().items()
    save_file({name: tensor.contiguous() for name, tensor in tensors}, folder / WEIGHTS)
    if architecture not in (mini.NAME, mini.ARCHITECTURE):
        _write_config(folder, architecture, model, tokenizer)
    check_read_back(model_name(folder), "open_clip", model, tokenizer)


def model_name(folder: Path) -> str:
    """Return the `--model` name of an exported folder."""
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
            "the base model's configuration refers to a local folder for its text tower, "
            "so no other machine could load the export; use the run's folder as --model"
        )
    save_config_for_hf(model, folder / CONFIG, config)
    if isinstance(tokenizer, HFTokenizer):  # open_clip expects it beside the configuration
        tokenizer.save_pretrained(folder)
