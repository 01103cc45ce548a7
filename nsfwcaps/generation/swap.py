"""Replacing a pipeline's CLIP tower by another of the same architecture."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nsfwcaps.errors import ModelError
from nsfwcaps.generation.text_state import TextState, put_text_state
from nsfwcaps.generation.towers import TEXT, VISION, Clip, tokens_of
from nsfwcaps.runtime.weights import weights_sha256

_SHAPE = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
_NUMBERS = ("hidden_act", "layer_norm_eps")
"""With another activation the same weights load without error and give wrong numbers."""
_BUILT = {
    TEXT: (*_SHAPE, *_NUMBERS, "vocab_size", "max_position_embeddings"),
    VISION: (*_SHAPE, *_NUMBERS, "image_size", "patch_size"),
}
_CAPTIONS = ("a photo of a cat", "Two dogs, one ball; it's 3 o'clock.", "naïve café №5", "")


def put_text_tower(clip: Clip | TextState, encoder: Any, tokenizer: Any) -> None:
    """Load a model's text tower into a `CLIPTextModel`.

    A bare state dict takes the encoder's configuration and tokenizer.

    Raises:
        ModelError: the encoder is of another class, or differs in shape, activation or tokenizer.
    """
    _check_class(encoder, "CLIPTextModel", "CLIPTextModelWithProjection", what="text encoder")
    if isinstance(clip, TextState):
        put_text_state(clip, encoder)
        return
    differ = list(_differences(TEXT, clip.config[TEXT], encoder.config))
    if not differ and clip.token_ids(_CAPTIONS) != tokens_of(tokenizer, _CAPTIONS):
        differ = ["the tokenizers give different token ids"]
    _refuse(clip, "text encoder", differ)
    _load(clip, TEXT, encoder)


def put_image_tower(clip: Clip | TextState, tower: Any, image_processor: Any) -> None:
    """Load a model's image tower into a `CLIPVisionModel`.

    Raises:
        ModelError: the tower is of another class, or differs in shape, activation or normalisation.
    """
    _check_class(tower, "CLIPVisionModel", what="vision tower")
    if isinstance(clip, TextState):
        raise ModelError(f"{clip.name} holds a text encoder; expected a model with an image tower")
    differ = list(_differences(VISION, clip.config[VISION], tower.config))
    theirs = (list(image_processor.image_mean), list(image_processor.image_std))
    if not differ and not _close(clip.pixel_statistics, theirs):
        differ = ["images are normalised with a different mean or standard deviation"]
    _refuse(clip, "vision tower", differ)
    _load(clip, VISION, tower)


def tower_sha256(module: Any, tower: str) -> str:
    """Digest of the current weights in single precision, comparable to `Clip.identity`."""
    prefix = _prefix(module, tower)
    return weights_sha256(
        {
            name.removeprefix(prefix): tensor.float()
            for name, tensor in module.state_dict().items()
            if name.startswith(prefix)
        }
    )


def _check_class(module: Any, *classes: str, what: str) -> None:
    kind = type(module).__name__
    if kind not in classes:
        raise ModelError(f"the {what} is a {kind}; only a {classes[0]} can be replaced")


def _differences(tower: str, ours: Mapping[str, Any], theirs: Any) -> Iterator[str]:
    for key in _BUILT[tower]:
        one, other = ours[key], getattr(theirs, key)
        if one != other:
            yield f"{key} is {one}, expected {other}"


def _close(ours: tuple[list[float], list[float]], theirs: tuple[list[float], list[float]]) -> bool:
    pairs = zip([*ours[0], *ours[1]], [*theirs[0], *theirs[1]], strict=True)
    return all(abs(one - other) < 1e-6 for one, other in pairs)  # published with 8 digits or with 4


def _refuse(clip: Clip, what: str, differ: list[str]) -> None:
    if differ:
        raise ModelError(
            f"{clip.name} does not fit this {what}: {'; '.join(differ)}. "
            "Use the pipeline whose tower the model was fine-tuned from"
        )


def _load(clip: Clip, tower: str, module: Any) -> None:
    prefix = _prefix(module, tower)
    given = {f"{prefix}{name}": tensor for name, tensor in clip.tower(tower).items()}
    # Tensors outside the tower, such as a projection after it, are kept.
    missing, unexpected = module.load_state_dict(given, strict=False)
    left = [name for name in missing if name.startswith(prefix) and "projection" not in name]
    if unexpected or left:
        raise ModelError(
            f"{clip.name}: tensor names of the two towers differ "
            f"({[*unexpected, *left][0]}); please report this"
        )


def _prefix(module: Any, tower: str) -> str:
    """Return the prefix of a tower's tensor names: older transformers nest towers once more."""
    nested = f"{tower}."
    return nested if any(name.startswith(nested) for name in module.state_dict()) else ""
