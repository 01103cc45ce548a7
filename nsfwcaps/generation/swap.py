"""Another tower in the place of a pipeline's own, where the two are built alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nsfwcaps.errors import ModelError
from nsfwcaps.generation.towers import TEXT, VISION, Clip, tokens_of
from nsfwcaps.runtime.weights import weights_sha256

_SHAPE = ("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")
_NUMBERS = ("hidden_act", "layer_norm_eps")
"""The same weights under another activation load without an error and give wrong numbers."""
_BUILT = {
    TEXT: (*_SHAPE, *_NUMBERS, "vocab_size", "max_position_embeddings"),
    VISION: (*_SHAPE, *_NUMBERS, "image_size", "patch_size"),
}
_CAPTIONS = ("a photo of a cat", "Two dogs, one ball; it's 3 o'clock.", "naïve café №5", "")


def put_text_tower(clip: Clip, encoder: Any, tokenizer: Any) -> None:
    """Give a `CLIPTextModel` the weights of a model's text tower.

    Raises:
        ModelError: it is another class, or differs in shape, activation or tokenizer.
    """
    _check_class(encoder, "CLIPTextModel", "CLIPTextModelWithProjection", what="text encoder")
    differ = list(_differences(TEXT, clip.config[TEXT], encoder.config))
    if not differ and clip.token_ids(_CAPTIONS) != tokens_of(tokenizer, _CAPTIONS):
        differ = ["the tokenizers give other token ids"]
    _refuse(clip, "text encoder", differ)
    _load(clip, TEXT, encoder)


def put_image_tower(clip: Clip, tower: Any, image_processor: Any) -> None:
    """Give a `CLIPVisionModel` the weights of a model's image tower.

    Raises:
        ModelError: it is another class, or differs in shape, activation or normalisation.
    """
    _check_class(tower, "CLIPVisionModel", what="vision tower")
    differ = list(_differences(VISION, clip.config[VISION], tower.config))
    theirs = (list(image_processor.image_mean), list(image_processor.image_std))
    if not differ and not _close(clip.pixel_statistics, theirs):
        differ = ["pictures are normalised by another mean and standard deviation"]
    _refuse(clip, "vision tower", differ)
    _load(clip, VISION, tower)


def tower_sha256(module: Any, tower: str) -> str:
    """Digest of the weights that are in place, in single precision, as `Clip.identity` has it."""
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
        raise ModelError(f"its {what} is a {kind}; only a {classes[0]} can be replaced")


def _differences(tower: str, ours: Mapping[str, Any], theirs: Any) -> Iterator[str]:
    for key in _BUILT[tower]:
        one, other = ours[key], getattr(theirs, key)
        if one != other:
            yield f"{key} is {one}, and {other} in its place"


def _close(ours: tuple[list[float], list[float]], theirs: tuple[list[float], list[float]]) -> bool:
    pairs = zip([*ours[0], *ours[1]], [*theirs[0], *theirs[1]], strict=True)
    return all(abs(one - other) < 1e-6 for one, other in pairs)  # published in 8 digits, or in 4


def _refuse(clip: Clip, what: str, differ: list[str]) -> None:
    if differ:
        raise ModelError(
            f"{clip.name} cannot take the place of this {what}: {'; '.join(differ)}. "
            "Use the pipeline whose tower it was fine-tuned from"
        )


def _load(clip: Clip, tower: str, module: Any) -> None:
    prefix = _prefix(module, tower)
    given = {f"{prefix}{name}": tensor for name, tensor in clip.tower(tower).items()}
    # What is not of the tower, a projection behind it, stays.
    missing, unexpected = module.load_state_dict(given, strict=False)
    left = [name for name in missing if name.startswith(prefix) and "projection" not in name]
    if unexpected or left:
        raise ModelError(
            f"{clip.name}: tensors of the two towers have other names "
            f"({[*unexpected, *left][0]}); report it"
        )


def _prefix(module: Any, tower: str) -> str:
    """What stands before the names of a tower's tensors: older transformers nest it once more."""
    nested = f"{tower}."
    return nested if any(name.startswith(nested) for name in module.state_dict()) else ""
