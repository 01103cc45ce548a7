"""CLIP models of any origin as transformers' `CLIPModel`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from nsfwcaps.encoders.options import EncoderOptions
from nsfwcaps.enums import Device, Precision
from nsfwcaps.errors import ConfigError, ModelError
from nsfwcaps.generation.text_state import check_text_state, is_text_state
from nsfwcaps.models import available, names
from nsfwcaps.models.trained import adapter_folder
from nsfwcaps.runtime.silence import silence
from nsfwcaps.runtime.weights import load_complete, weights_sha256

if TYPE_CHECKING:
    from nsfwcaps.encoders.clip import ClipEncoder

OWN = "own"
"""The pipeline's own tower: nothing is replaced."""

TEXT, VISION = "text_model", "vision_model"

Tensors = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Clip:
    """Weights and configuration of a `CLIPModel`, with its tokenizer and normalisation."""

    name: str
    """Display name, without private folders."""
    weights: Tensors
    """State dict of the `CLIPModel`."""
    config: Mapping[str, Mapping[str, Any]]
    """Configuration by tower, `TEXT` and `VISION`."""
    token_ids: Callable[[Sequence[str]], list[list[int]]]
    """Token ids of captions, up to and including the end token."""
    pixel_statistics: tuple[list[float], list[float]]
    """Mean and standard deviation for image normalisation."""

    def tower(self, tower: str) -> Tensors:
        """State dict of one tower, without the tower's prefix."""
        prefix = f"{tower}."
        return {
            name.removeprefix(prefix): tensor
            for name, tensor in self.weights.items()
            if name.startswith(prefix)
        }

    def identity(self, tower: str) -> dict[str, Any]:
        """Everything that determines one tower's output, as JSON."""
        return {
            "name": self.name,
            "weights_sha256": weights_sha256(self.tower(tower)),
            "activation": self.config[tower]["hidden_act"],
        }


def check_available(model: str, setting: str) -> None:
    """Check, in seconds, that a model can be loaded, as far as that shows without loading it.

    Raises:
        ConfigError: the model is unknown.
        ModelError: its files are neither here nor within reach.
    """
    if is_text_state(model):
        check_text_state(model, setting)
    elif model != OWN and not _is_of_transformers(model):
        if wrong := names.problem(model):
            raise ConfigError(f"--model: {wrong}")
        available.check(model, setting)


def read_clip(model: str) -> Clip:
    """Read a training run, an open_clip model, or a `CLIPModel` (`hf:FOLDER`, `hf:ID`, a folder).

    Raises:
        ConfigError: the model is unknown.
        ModelError: the model is unavailable, or has no `CLIPModel` equivalent.
    """
    if _is_of_transformers(model):
        return _of_transformers(Path(model))
    if wrong := names.problem(model):
        raise ConfigError(f"--model: {wrong}")
    return _of_encoder(model)


def _is_of_transformers(model: str) -> bool:
    return adapter_folder(model) is None and (Path(model) / "config.json").is_file()


def _of_encoder(model: str) -> Clip:
    from nsfwcaps.encoders.clip import ClipEncoder
    from nsfwcaps.models import create
    from nsfwcaps.models.huggingface.towers import TransformersClip

    encoder = create.load(model, EncoderOptions(device=Device.CPU, precision=Precision.FP32))
    if not isinstance(encoder, ClipEncoder):
        raise ModelError(f"{encoder.identity.name} has no CLIP towers to swap in")
    if isinstance(encoder.model, TransformersClip):
        return _of_whole(encoder, encoder.model.whole)
    return _of_open_clip(encoder)


def _of_whole(encoder: ClipEncoder, whole: Any) -> Clip:
    """Convert an encoder of transformers, whose model has its trained weights."""
    from transformers import CLIPModel

    name = _public(encoder.identity.name)
    if not isinstance(whole, CLIPModel):
        raise ModelError(f"{name} is a {type(whole).__name__}; only a CLIPModel's towers fit")
    preprocessing, tokenizer = encoder.identity.preprocessing, encoder.its_tokenizer
    end = tokenizer.tokenizer.eos_token_id
    return Clip(
        name=name,
        weights=whole.state_dict(),
        config={
            TEXT: whole.config.text_config.to_dict(),
            VISION: whole.config.vision_config.to_dict(),
        },
        token_ids=lambda captions: [_up_to(row, end) for row in tokenizer(captions).tolist()],
        pixel_statistics=(list(preprocessing["mean"]), list(preprocessing["std"])),
    )


def _of_open_clip(encoder: ClipEncoder) -> Clip:
    from nsfwcaps.models.export.clip_config import clip_config, obstacle
    from nsfwcaps.models.export.clip_weights import clip_weights

    if (reason := obstacle(encoder.model, encoder.its_tokenizer)) is not None:
        raise ModelError(
            f"{encoder.identity.name} cannot be converted to a CLIPModel of transformers: {reason}"
        )
    config = clip_config(encoder.model, encoder.its_tokenizer)
    preprocessing, tokenizer = encoder.identity.preprocessing, encoder.its_tokenizer

    def token_ids(captions: Sequence[str]) -> list[list[int]]:
        return [_up_to(row, tokenizer.eot_token_id) for row in tokenizer(list(captions)).tolist()]

    return Clip(
        name=_public(encoder.identity.name),
        weights=clip_weights(encoder.model.state_dict()),
        config={TEXT: config["text_config"], VISION: config["vision_config"]},
        token_ids=token_ids,
        pixel_statistics=(list(preprocessing["mean"]), list(preprocessing["std"])),
    )


def _public(name: str) -> str:
    """Strip private parent folders from a model's name."""
    return PurePath(name).name if names.is_local(name) else name


def _of_transformers(folder: Path) -> Clip:
    from transformers import CLIPImageProcessor, CLIPModel, CLIPTokenizer

    try:
        with silence():
            model = load_complete(CLIPModel, str(folder), local_files_only=True)
            tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
            pictures = CLIPImageProcessor.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # transformers raises many exception types
        raise ModelError(
            f"{folder}: cannot be loaded as a CLIPModel of transformers with tokenizer and image "
            f"processor ({type(error).__name__}); use a training run, an open_clip model, or the "
            "output of 'nsfwcaps export --to transformers'"
        ) from None
    return Clip(
        name=folder.absolute().name,
        weights=model.state_dict(),
        config={
            TEXT: model.config.text_config.to_dict(),
            VISION: model.config.vision_config.to_dict(),
        },
        token_ids=lambda captions: tokens_of(tokenizer, captions),
        pixel_statistics=(list(pictures.image_mean), list(pictures.image_std)),
    )


def tokens_of(tokenizer: Any, captions: Sequence[str]) -> list[list[int]]:
    """Tokenize captions with a transformers tokenizer, up to and including the end token."""
    rows = tokenizer(list(captions), truncation=True)["input_ids"]
    return [_up_to(row, tokenizer.eos_token_id) for row in rows]


def _up_to(row: list[int], end: int) -> list[int]:
    return row[: row.index(end) + 1] if end in row else row
